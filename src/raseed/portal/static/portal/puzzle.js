// Does the short sum that a new card needs when there is reason (payments/cards/puzzle.py has the rule): a number after which
// SHA-256 of "seed:number" begins with so many zero bits. Until it is found the form's button waits. No library, no worker.
(function () {
  "use strict";

  var K = [], HEAD = [];
  (function () {
    function fraction(x) { return ((x - Math.floor(x)) * 4294967296) | 0; }
    for (var n = 2; K.length < 64; n++) {
      var prime = true;
      for (var d = 2; d * d <= n; d++) if (n % d === 0) { prime = false; break; }
      if (!prime) continue;
      if (HEAD.length < 8) HEAD.push(fraction(Math.sqrt(n)));
      K.push(fraction(Math.cbrt(n)));
    }
  })();

  var words = new Int32Array(64);

  // The first word of SHA-256 of an ASCII text of at most 55 characters: one block.
  function firstWord(text) {
    words.fill(0);
    for (var i = 0; i < text.length; i++) words[i >> 2] |= text.charCodeAt(i) << (24 - 8 * (i % 4));
    words[text.length >> 2] |= 0x80 << (24 - 8 * (text.length % 4));
    words[15] = text.length * 8;
    var a = HEAD[0], b = HEAD[1], c = HEAD[2], d = HEAD[3], e = HEAD[4], f = HEAD[5], g = HEAD[6], h = HEAD[7];
    for (var t = 0; t < 64; t++) {
      if (t >= 16) {
        var x = words[t - 15], y = words[t - 2];
        words[t] = (words[t - 16] + ((x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ (x >>> 3)) + words[t - 7]
          + ((y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ (y >>> 10))) | 0;
      }
      var one = (h + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) + ((e & f) ^ (~e & g)) + K[t] + words[t]) | 0;
      var two = (((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g; g = f; f = e; e = (d + one) | 0; d = c; c = b; b = a; a = (one + two) | 0;
    }
    return (a + HEAD[0]) | 0;
  }

  function solve(box) {
    box.setAttribute("data-taken", "");
    var form = box.closest("form"), button = form.querySelector("button[type=submit]");
    var working = box.querySelector("[data-puzzle-working]"), done = box.querySelector("[data-puzzle-done]");
    var seed = box.dataset.puzzle, free = 32 - Number(box.dataset.bits), number = 0;
    working.hidden = false;
    if (button) button.disabled = true;
    (function some() {
      if (!box.isConnected) return;
      for (var end = number + 3000; number < end; number++) {
        if (firstWord(seed + ":" + number) >>> free === 0) {
          box.querySelector("input[name=puzzle]").value = String(number);
          working.hidden = true;
          done.hidden = false;
          if (button) button.disabled = false;
          return;
        }
      }
      setTimeout(some, 0);
    })();
  }

  function look() { document.querySelectorAll("[data-puzzle]:not([data-taken])").forEach(solve); }
  document.addEventListener("DOMContentLoaded", look);
  document.addEventListener("htmx:afterSettle", look);
})();
