// What HTML cannot do alone: open the dialog, fill an amount, say that the connection is gone. Every page works without it.
(function () {
  "use strict";

  function dialog() { return document.getElementById("dialog"); }

  // Keeps a payment that goes on in sight when its dialog closes.
  function keepOpenPayment(box) {
    var status = box.querySelector(".result");
    var place = document.getElementById("payments-live");
    if (!status || !place || status.hasAttribute("data-final")) return;
    var shown = Array.prototype.some.call(place.children, function (child) { return child.id === status.id; });
    if (!shown) place.append(status);
  }

  function closeDialog() {
    var box = dialog();
    if (box.open) box.close();
  }

  document.addEventListener("click", function (event) {
    var closer = event.target.closest("[data-closes-dialog]");
    if (closer && dialog() && dialog().open) {
      event.preventDefault();
      closeDialog();
      return;
    }
    var filler = event.target.closest("[data-fills]");
    if (filler) {
      event.preventDefault();
      var field = document.getElementById(filler.dataset.fills);
      field.value = filler.dataset.value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
  });

  // Marks the offered amount that the field holds.
  document.addEventListener("input", function (event) {
    document.querySelectorAll("[data-fills='" + event.target.id + "']").forEach(function (filler) {
      if (filler.dataset.value === event.target.value) filler.setAttribute("aria-current", "true");
      else filler.removeAttribute("aria-current");
    });
  });

  // Not after the swap: what is typed before HTMX has settled would change nothing in the summary.
  document.addEventListener("htmx:afterSettle", function (event) {
    var box = dialog();
    if (event.detail.target === box && !box.open) box.showModal();
    // Not `autofocus`: a browser refuses that one, with a line on its console, once anything has the focus.
    var focus = event.target.querySelector("[data-focus]");
    if (focus) focus.focus();
  });

  // What lies under an open dialog is out of reach, so the line moves into it.
  function showConnectionLost(lost) {
    var line = document.getElementById("connection-lost");
    if (lost) (dialog().open ? dialog() : document.body).append(line);
    line.hidden = !lost;
  }
  ["htmx:sendError", "htmx:timeout", "htmx:responseError"].forEach(function (name) {
    document.addEventListener(name, function () { showConnectionLost(true); });
  });
  document.addEventListener("htmx:afterRequest", function (event) {
    if (event.detail.successful) showConnectionLost(false);
  });

  // The bank's page in a frame says that it is through. What it says is not believed: our server asks the bank.
  window.addEventListener("message", function (event) {
    document.querySelectorAll("iframe[data-then]").forEach(function (frame) {
      if (frame.contentWindow === event.source) window.location.assign(frame.dataset.then);
    });
  });

  document.addEventListener("DOMContentLoaded", function () {
    var box = dialog();
    if (!box) return;
    box.addEventListener("close", function () {
      keepOpenPayment(box);
      document.body.append(document.getElementById("connection-lost"));
      box.replaceChildren();
    });
    // A press beside the dialog closes it, as Escape does.
    box.addEventListener("click", function (event) { if (event.target === box) closeDialog(); });
  });
})();
