"use strict";
// Draws every chart of the page, and joins its legend and its tooltips to it.
(() => {
  const config = JSON.parse(document.getElementById("chart-config").textContent);
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.setAttribute("aria-hidden", "true");
  document.body.append(tip);

  // Text only, never markup: what a tooltip says comes from data.
  function showTip(_handler, event, _item, value) {
    tip.replaceChildren();
    tip.classList.toggle("shown", Boolean(value));
    if (!value) return;
    for (const [label, content] of Object.entries(value)) {
      const line = document.createElement("p");
      const name = document.createElement("span");
      const words = document.createElement("bdi");
      name.textContent = label;
      words.textContent = content;
      line.append(name, words);
      tip.append(line);
    }
    const room = 12;
    const left = Math.min(event.clientX + room, window.innerWidth - tip.offsetWidth - room);
    const below = event.clientY + room;
    const fits = below + tip.offsetHeight < window.innerHeight;
    tip.style.left = `${Math.max(room, left)}px`;
    tip.style.top = `${fits ? below : Math.max(room, event.clientY - tip.offsetHeight - room)}px`;
  }

  function joinLegend(view, figure) {
    const buttons = [...figure.querySelectorAll("button[data-series]")];
    if (buttons.length === 0) return;
    const chosen = new Set();
    const toggle = (key) => {
      if (!chosen.delete(key)) chosen.add(key);
      for (const button of buttons) {
        button.setAttribute("aria-pressed", String(chosen.has(button.dataset.series)));
      }
      view.signal("chosen", [...chosen]).runAsync();
    };
    for (const button of buttons) button.addEventListener("click", () => toggle(button.dataset.series));
    view.addEventListener("click", (_event, item) => {
      if (item?.datum?.series !== undefined) toggle(item.datum.series);
    });
  }

  async function draw(block) {
    const place = document.getElementById(block.dataset.chart);
    try {
      const options = { config, mode: "vega-lite", renderer: "svg", actions: false, ast: true };
      options.defaultStyle = false;
      options.tooltip = showTip;
      const { view } = await vegaEmbed(place, JSON.parse(block.textContent), options);
      joinLegend(view, place.closest("figure"));
    } catch (error) {
      place.textContent = `This chart could not be drawn (${error.message}); its table holds the numbers.`;
      console.error(error);
    }
  }

  const blocks = [...document.querySelectorAll("script[data-chart]")];
  Promise.all(blocks.map(draw)).then(() => {
    document.documentElement.dataset.drawn = String(blocks.length);
  });
})();
