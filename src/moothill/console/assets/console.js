// Keys and visibility. Nothing of the society passes through here: only names of shortcuts go to the server.
(() => {
  "use strict";
  const typing = (target) =>
    target instanceof HTMLElement &&
    (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));
  const tell = (name) => window.did_handshake && emitEvent("shortcut", name);
  let awaitingLetter = 0;

  document.addEventListener(
    "keydown",
    (event) => {
      if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
        event.preventDefault();
        tell("palette");
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
      if (performance.now() < awaitingLetter) {
        awaitingLetter = 0;
        if (/^[a-z]$/.test(event.key)) {
          event.preventDefault();
          tell("go " + event.key);
        }
        return;
      }
      if (event.key === "g") awaitingLetter = performance.now() + 1500;
      else if (event.key === "/") {
        event.preventDefault();
        tell("search");
      } else if (event.key === "r") tell("pause");
      else if (event.key === "?") tell("help");
    },
    true,
  );

  document.addEventListener("visibilitychange", () => {
    if (window.did_handshake) emitEvent("visibility", document.hidden);
  });
})();
