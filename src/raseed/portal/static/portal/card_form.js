// Puts Stripe's Payment Element into the page of one payment, or of one card to be kept. The card is typed in Stripe's frame; this
// script never sees it, and believes no word of how it ended: our server asks the bank when we go on.
(function () {
  "use strict";

  var form = document.getElementById("card-form");
  var told = form.dataset, root = document.documentElement;
  var button = form.querySelector("button[type=submit]");
  var refusal = form.querySelector("[data-refusal]");
  var loading = form.querySelector("[data-loading]");
  var lost = document.querySelector("[data-form-lost]"), hosted = document.querySelector("[data-hosted]");
  var stripe, elements;

  form.hidden = false;
  hosted.hidden = true;

  function formLost() {
    form.hidden = true;
    lost.hidden = hosted.hidden = false;
  }

  function goOn() { window.location.assign(told.return); }

  function appearance() {
    var style = window.getComputedStyle(root);
    function token(name) { return style.getPropertyValue(name).trim(); }
    return {
      theme: root.dataset.bsTheme === "dark" ? "night" : "stripe",
      variables: {
        colorPrimary: token("--accent"), colorBackground: token("--surface"), colorText: token("--ink"),
        colorTextSecondary: token("--ink-soft"), colorDanger: token("--danger"), borderRadius: "10px",
      },
    };
  }

  function busy(is) {
    button.disabled = is;
    button.querySelector("[data-busy]").hidden = !is;
    button.querySelector("[data-idle]").hidden = is;
  }

  function say(place) {
    refusal.querySelector("span").textContent = place.textContent;
    refusal.hidden = false;
    busy(false);
  }

  // Only reasons that a person can act on are told apart; a card tester learns nothing from the rest.
  function declined(error) {
    var known = [error.decline_code, error.code].filter(Boolean);
    var places = Array.prototype.slice.call(form.querySelectorAll("[data-codes]"));
    var place = places.filter(function (one) {
      return one.dataset.codes.split(" ").some(function (code) { return code && known.indexOf(code) >= 0; });
    })[0];
    say(place || form.querySelector("[data-codes='']"));
  }

  function refused(error) {
    var intent = error.payment_intent || error.setup_intent;
    if (intent && ["succeeded", "processing", "canceled"].indexOf(intent.status) >= 0) return goOn();
    if (error.type === "validation_error") return say(form.querySelector("[data-says=details]"));
    if (error.type === "card_error" || (intent && intent.status === "requires_payment_method")) return declined(error);
    return say(form.querySelector("[data-says=silence]"));
  }

  function send(event) {
    event.preventDefault();
    refusal.hidden = true;
    busy(true);
    // Stripe puts the secret into the address that it sends people to, so it sends nobody: a card needs no other page.
    var asked = {
      elements: elements,
      redirect: "if_required",
      confirmParams: { return_url: new URL(told.return, window.location.href).href },
    };
    (told.acts === "setup" ? stripe.confirmSetup(asked) : stripe.confirmPayment(asked)).then(
      function (answer) { if (answer.error) refused(answer.error); else goOn(); },
      function () { say(form.querySelector("[data-says=silence]")); }
    );
  }

  function show() {
    if (!window.Stripe) return formLost();
    stripe = window.Stripe(told.key, { locale: told.locale });
    elements = stripe.elements({ clientSecret: told.secret, appearance: appearance(), locale: told.locale });
    var element = elements.create("payment", { wallets: { applePay: "never", googlePay: "never", link: "never" } });
    element.on("ready", function () {
      loading.hidden = true;
      button.disabled = false;
    });
    element.on("loaderror", formLost);
    element.mount(form.querySelector("[data-element]"));
    form.addEventListener("submit", send);
    new MutationObserver(function () { elements.update({ appearance: appearance() }); })
      .observe(root, { attributes: true, attributeFilter: ["data-bs-theme"] });
  }

  var script = document.createElement("script");
  script.src = told.script;
  script.onload = show;
  script.onerror = formLost;
  document.head.append(script);
})();
