// Stands in for https://js.stripe.com in the tests: the documented interface, as far as our page uses it. It has never met the real one.
(function () {
  "use strict";
  var origin = new URL(document.currentScript.src).origin;

  window.Stripe = function (key, options) {
    if (!/^pk_/.test(key)) throw new Error("not a publishable key");

    // Asked from the page itself, as parts of Stripe's script do: the page's connect-src must allow it.
    function look(secret) {
      var id = secret.split("_secret_")[0], kind = id.indexOf("seti") === 0 ? "setup_intents" : "payment_intents";
      var query = new URLSearchParams({ key: key, client_secret: secret });
      return fetch(origin + "/v1/" + kind + "/" + id + "?" + query).then(function (answer) { return answer.json(); });
    }

    function elements(given) {
      var group = { secret: given.clientSecret, appearance: given.appearance, frame: null };
      group.update = function (changes) {
        group.appearance = changes.appearance;
        if (group.frame) group.frame.contentWindow.postMessage({ appearance: changes.appearance }, origin);
      };
      group.create = function (type) {
        if (type !== "payment") throw new Error("no element " + type);
        var listeners = {};
        return {
          on: function (name, listener) { listeners[name] = listener; },
          mount: function (place) {
            look(group.secret).then(function (intent) {
              if (intent.error || ["succeeded", "canceled"].indexOf(intent.status) >= 0) return listeners.loaderror({});
              var frame = (group.frame = document.createElement("iframe"));
              frame.title = "Secure payment input frame";
              frame.style.cssText = "width:100%;height:190px;border:0";
              frame.onload = function () {
                var about = { appearance: group.appearance, locale: options.locale, key: key, secret: group.secret };
                frame.contentWindow.postMessage(about, origin);
                listeners.ready({});
              };
              frame.src = origin + "/frame";
              place.append(frame);
            });
          },
        };
      };
      return group;
    }

    function from(frame) {
      return new Promise(function (done) {
        window.addEventListener("message", function heard(event) {
          if (event.source !== frame.contentWindow || event.origin !== origin) return;
          window.removeEventListener("message", heard);
          done(event.data);
        });
      });
    }

    // 3-D Secure stands over the page in a frame of its own.
    function authenticate(id) {
      var frame = document.createElement("iframe");
      frame.title = "3-D Secure";
      frame.style.cssText = "position:fixed;inset:10%;width:80%;height:80%;z-index:9999;background:#fff";
      frame.src = origin + "/3ds/" + id;
      document.body.append(frame);
      return from(frame).then(function () { frame.remove(); });
    }

    function confirm(name, given) {
      if (given.redirect !== "if_required" || !/^https?:/.test(given.confirmParams.return_url)) throw new Error("not as documented");
      var group = given.elements, told = from(group.frame);
      group.frame.contentWindow.postMessage({ confirm: true }, origin);
      function ended(intent) {
        var answer = {};
        var failed = intent.last_payment_error || intent.last_setup_error;
        if (intent.status === "requires_payment_method" && failed) {
          answer.error = Object.assign({ type: "invalid_request_error" }, failed);
          answer.error[intent.object] = intent;
        } else answer[name] = intent;
        return answer;
      }
      return told.then(function (answer) {
        if (answer.error) return answer;
        if (answer.status !== "requires_action") return ended(answer);
        return authenticate(answer.id).then(function () { return look(group.secret); }).then(ended);
      });
    }

    return {
      elements: elements,
      confirmPayment: confirm.bind(null, "paymentIntent"),
      confirmSetup: confirm.bind(null, "setupIntent"),
    };
  };
})();
