// In an iframe, tell the merchant's page what became of the payment; it then asks its own server, never this message.
const end = document.querySelector("[data-payment]");
if (end && window.parent !== window) {
  window.parent.postMessage(
    { type: "sandbox-payment", payment: end.dataset.payment, state: end.dataset.state },
    end.dataset.origin,
  );
}
