// The station's page: whatever is typed goes into the scan field, whatever happens is shown at once and heard.
// Without this script the page works as well; it is then up to date after each scan.
"use strict";

(() => {
  const field = document.getElementById("scan");
  const floor = document.getElementById("floor");
  const lost = document.getElementById("page-lost");
  let sound = null;
  let heard = verdict();

  function verdict() {
    return floor?.querySelector("[data-verdict]")?.dataset.verdict;
  }

  // A tone: when it starts, how long it lasts, how high it is.
  function tone(start, length, frequency, shape) {
    const oscillator = new OscillatorNode(sound, { type: shape, frequency });
    const volume = new GainNode(sound, { gain: 0 });
    const begin = sound.currentTime + start;
    volume.gain.setValueAtTime(0, begin);
    volume.gain.linearRampToValueAtTime(0.5, begin + 0.02);
    volume.gain.setValueAtTime(0.5, begin + length - 0.05);
    volume.gain.linearRampToValueAtTime(0, begin + length);
    oscillator.connect(volume).connect(sound.destination);
    oscillator.start(begin);
    oscillator.stop(begin + length);
  }

  // Good rises, bad buzzes twice: they differ by more than pitch.
  const tones = {
    green: () => { tone(0, 0.15, 880, "sine"); tone(0.15, 0.3, 1320, "sine"); },
    red: () => { tone(0, 0.35, 150, "square"); tone(0.45, 0.35, 150, "square"); },
    scrapped: () => tone(0, 0.4, 440, "triangle"),
  };

  function sayAloud() {
    const now = verdict();
    if (now === heard) return;
    heard = now;
    const scene = floor.querySelector("[data-scene]").dataset.scene;
    if (sound) tones[scene]?.();
  }

  // Only parts that are other than before are replaced, so that nobody loses the button that they are at.
  function put(markup) {
    const next = document.createElement("div");
    next.innerHTML = markup;
    [...next.children].forEach((part, place) => {
      const shown = floor.children[place];
      if (shown.outerHTML !== part.outerHTML) shown.replaceWith(part);
    });
  }

  function follow() {
    const source = new EventSource(floor.dataset.changes);
    let away = 0;
    source.onopen = () => { clearTimeout(away); away = 0; lost.hidden = true; };
    source.onerror = () => {
      // A stream ends now and then and comes back at once: only what stays away is lost.
      away ||= setTimeout(() => { lost.hidden = false; }, 3000);
      if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 2000);
    };
    source.addEventListener("signed-off", () => { source.close(); location.reload(); });
    source.onmessage = (event) => {
      put(event.data);
      sayAloud();
    };
  }

  async function send(form, submitter) {
    const body = new URLSearchParams(new FormData(form, submitter));
    try {
      const answer = await fetch(form.action, { method: "POST", body, redirect: "manual" });
      if (answer.type !== "opaqueredirect") location.reload();
    } catch {
      lost.hidden = false;
    }
  }

  document.addEventListener("keydown", (event) => {
    // A browser lets a page sound only once someone has pressed a key.
    if (floor) { sound ??= new AudioContext(); sound.resume(); }
    const button = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (button) {
      event.preventDefault();
      button.click();
      return;
    }
    const isText = event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.altKey && !event.metaKey;
    if (isText && document.activeElement !== field) field.focus();
  });

  if (floor) {
    // A badge's code is nobody else's to read.
    field.addEventListener("input", () => { field.type = field.value.startsWith("B-") ? "password" : "text"; });
    document.addEventListener("submit", (event) => {
      const path = new URL(event.target.action).pathname;
      if (path !== "/scan" && path !== "/act") return;
      event.preventDefault();
      send(event.target, event.submitter);
      field.value = "";
      field.type = "text";
      field.focus();
    });
    follow();
  } else if (document.querySelector("[data-again]")) {
    // What keeps operators from signing on may be over soon.
    setInterval(() => { if (field.value === "") location.reload(); }, 5000);
  }
  field.focus();
})();
