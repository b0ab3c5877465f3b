"""Addresses of the pages around signing in; `portal.urls` includes the list in its own."""

from django.urls import path

from raseed.portal import people_views

urlpatterns = [
    path("login", people_views.sign_in, name="login"),
    path("logout", people_views.sign_out, name="logout"),
    path("password/reset", people_views.password_reset, name="password_reset"),
    path("password/reset/sent", people_views.password_reset_sent, name="password_reset_sent"),
    path("password/set/<str:uidb64>/<str:token>", people_views.password_set, name="password_set"),
    path("password/done", people_views.password_set_done, name="password_set_done"),
]
