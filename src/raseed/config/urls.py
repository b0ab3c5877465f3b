"""Every address of the product: each door brings its own list."""

from django.urls import include, path

handler400 = "raseed.portal.views.faults.bad_request"
handler500 = "raseed.portal.views.faults.server_error"
urlpatterns = [
    path("", include("raseed.api.urls")),
    path("", include("raseed.portal.urls")),
    path("backoffice/", include("raseed.backoffice.urls")),
]
