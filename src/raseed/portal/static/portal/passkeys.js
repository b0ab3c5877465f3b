// Passkeys: ask the server, have the browser answer, send the form. Without WebAuthn the forms stay hidden.
(function () {
  "use strict";
  if (!window.PublicKeyCredential || !navigator.credentials) return;

  function bytes(text) {
    var plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, function (char) { return char.charCodeAt(0); });
  }

  function text(buffer) {
    var plain = String.fromCharCode.apply(null, new Uint8Array(buffer));
    return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }

  function named(list) {
    return (list || []).map(function (one) { return Object.assign({}, one, { id: bytes(one.id) }); });
  }

  // The shapes of WebAuthn's JSON; browsers know them themselves since 2025, older ones do not.
  function question(asked, making) {
    var known = Object.assign({}, asked, { challenge: bytes(asked.challenge) });
    if (making) {
      known.user = Object.assign({}, asked.user, { id: bytes(asked.user.id) });
      known.excludeCredentials = named(asked.excludeCredentials);
    } else {
      known.allowCredentials = named(asked.allowCredentials);
    }
    return { publicKey: known };
  }

  function answer(credential) {
    var said = { clientDataJSON: text(credential.response.clientDataJSON) };
    ["attestationObject", "authenticatorData", "signature", "userHandle"].forEach(function (name) {
      if (credential.response[name]) said[name] = text(credential.response[name]);
    });
    return JSON.stringify({
      id: credential.id, rawId: text(credential.rawId), type: credential.type, response: said,
      clientExtensionResults: {}
    });
  }

  async function ask(form) {
    var making = form.dataset.passkey === "create";
    var reply = await fetch(form.dataset.question, {
      method: "POST", redirect: "manual", headers: { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value }
    });
    if (!reply.ok) return "";
    var asked = question(await reply.json(), making);
    var credential = making ? await navigator.credentials.create(asked) : await navigator.credentials.get(asked);
    return credential ? answer(credential) : "";
  }

  document.querySelectorAll("form[data-passkey]").forEach(function (form) {
    form.hidden = false;
    document.querySelectorAll("[data-no-passkey]").forEach(function (line) { line.hidden = true; });
    form.addEventListener("submit", function (event) {
      event.preventDefault();
      var button = form.querySelector("button");
      if (button.disabled) return;
      button.disabled = true;
      // Also with an empty answer: the server says what is wrong, or asks again who is there.
      ask(form).catch(function () { return ""; }).then(function (said) {
        form.elements.answer.value = said;
        form.submit();
      });
    });
  });
})();
