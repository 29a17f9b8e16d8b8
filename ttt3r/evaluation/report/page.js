"use strict";
// A click on a heading sorts the table; a second click turns the order round. Words come after numbers.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement, table = head.closest("table"), body = table.tBodies[0];
    const column = [...head.parentElement.children].indexOf(head);
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (row) => {
      const text = row.children[column].dataset.value, number = Number(text.split("/")[0]);
      return text === "" ? null : Number.isNaN(number) ? text : number;
    };
    const compare = (a, b) => {
      if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
      if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
      const order = typeof a === "number" ? a - b : a.localeCompare(b);
      return down ? -order : order;
    };
    const rows = [...body.rows].map((row, index) => [value(row), index, row]);
    rows.sort((a, b) => compare(a[0], b[0]) || a[1] - b[1]);
    body.append(...rows.map((entry) => entry[2]));
  });
}

// The views: drawn when they come into sight, all turned together, in the colours of the page.
const views = document.getElementById("views");
if (views && window.Plotly) {
  const scenes = JSON.parse(document.getElementById("scenes").textContent);
  const choice = document.getElementById("scene-of"), panels = views.querySelector(".panels");
  let turning = false;
  const resolve = (value) => {
    if (typeof value === "string" && value.startsWith("var(")) {
      return getComputedStyle(document.documentElement).getPropertyValue(value.slice(4, -1)).trim();
    }
    if (Array.isArray(value)) return value.map(resolve);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, resolve(part)]));
    }
    return value;
  };
  const follow = (moved, camera) => {
    if (turning || !camera) return;
    turning = true;
    const others = [...panels.querySelectorAll(".view")].filter((view) => view !== moved);
    Promise.all(others.map((view) => Plotly.relayout(view, { "scene.camera": camera }))).finally(() => { turning = false; });
  };
  const show = () => {
    for (const view of panels.querySelectorAll(".view")) Plotly.purge(view);
    panels.replaceChildren();
    for (const panel of scenes[Number(choice.value)].panels) {
      const box = document.createElement("div"), title = document.createElement("h3");
      const view = document.createElement("div"), note = document.createElement("div");
      box.className = "panel"; view.className = "view"; note.className = "dim";
      title.textContent = panel.title; note.textContent = panel.note;
      box.append(title, view, note);
      panels.append(box);
      const figure = resolve(panel.figure);
      Plotly.newPlot(view, figure.data, figure.layout, { displayModeBar: false, responsive: true }).then(() => {
        view.on("plotly_relayout", (change) => follow(view, change["scene.camera"]));
      });
    }
  };
  choice.addEventListener("change", show);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  new IntersectionObserver((entries, observer) => {
    if (entries.some((entry) => entry.isIntersecting)) { observer.disconnect(); show(); }
  }, { rootMargin: "300px" }).observe(views);
}
