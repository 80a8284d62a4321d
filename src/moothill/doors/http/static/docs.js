// The page at /docs: filter the list, send a call. The key stays in its input field.
"use strict";

const filter = document.getElementById("filter");
filter.addEventListener("input", () => {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const section of document.querySelectorAll("main section")) {
    let shown = 0;
    for (const operation of section.querySelectorAll("details")) {
      const text = operation.querySelector("summary").textContent.toLowerCase();
      operation.hidden = !words.every((word) => text.includes(word));
      shown += operation.hidden ? 0 : 1;
    }
    section.hidden = shown === 0;
  }
});

const reveal = () => {
  const wanted = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (wanted instanceof HTMLDetailsElement) {
    wanted.open = true;
    wanted.scrollIntoView();
  }
};
addEventListener("hashchange", reveal);
reveal();

document.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const output = form.querySelector("output");
  const shown = document.createElement("pre");
  output.replaceChildren(shown);
  shown.textContent = "…";
  try {
    const answer = await fetch(form.dataset.path, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        Authorization: `Bearer ${document.getElementById("key").value}`,
      },
      body: form.querySelector("textarea").value,
      signal: AbortSignal.timeout(10000),
    });
    const text = await answer.text();
    shown.textContent = `${answer.status}\n`;
    try {
      shown.textContent += JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      shown.textContent += text;
    }
  } catch (error) {
    shown.textContent = String(error);
  }
});
