// What pages do by themselves: charts, live parts, files put into text fields. All of it works without, except
// that charts are then tables and live parts stand still.
"use strict";

(() => {
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const bar = () => ({ paths: uPlot.paths.bars({ size: [0.6, 56] }), isFilled: true, points: { show: false } });
  const shapes = {
    line: () => ({ paths: uPlot.paths.linear(), width: 2 }),
    step: () => ({ paths: uPlot.paths.stepped({ align: 1 }), width: 2 }),
    bar,
    goal: bar,
    dashed: () => ({ paths: uPlot.paths.stepped({ align: 1 }), width: 2, dash: [6, 5], points: { show: false } }),
  };

  // Bars of several series stand beside one another.
  function sideBySide(place, count) {
    const width = 0.8 / count;
    return uPlot.paths.bars({
      disp: {
        x0: { unit: 1, values: (plot) => plot.data[0].map((x) => x - 0.4 + place * width) },
        size: { unit: 1, values: (plot) => plot.data[0].map(() => width * 0.92) },
      },
    });
  }

  function draw(area) {
    const chart = JSON.parse(area.dataset.chart);
    const isTime = chart.times.length > 0;
    const xs = isTime ? chart.times : chart.labels.map((_, place) => place);
    const isBar = (series) => series.shape === "bar" || series.shape === "goal";
    const bars = chart.series.filter(isBar).length;
    let barPlace = 0;
    let colored = 0;
    const series = chart.series.map((series) => {
      const color = token(series.shape === "goal" ? "--control" : `--series-${(colored++ % 4) + 1}`);
      const { isFilled, ...shape } = shapes[series.shape]();
      if (isBar(series) && !isTime) shape.paths = sideBySide(barPlace++, bars);
      return { label: series.name, stroke: color, fill: isFilled ? color : undefined, ...shape };
    });
    const axis = { stroke: token("--quiet"), grid: { stroke: token("--line"), width: 1 }, ticks: { stroke: token("--line"), width: 1 } };
    const label = (x) => chart.labels[xs.indexOf(x)] ?? "";
    const places = {
      ...axis,
      grid: { show: false },
      splits: () => xs,
      values: (_, splits) => splits.map((x, place) => (place % Math.ceil(xs.length / 14) ? "" : label(x))),
    };
    const options = {
      width: area.clientWidth,
      height: 270,
      scales: { x: isTime ? { time: true } : { time: false, range: [-0.6, Math.max(xs.length, 5) - 0.4] }, y: { range: (_, low, high) => [Math.min(0, low), Math.max(1, high) * 1.08] } },
      axes: [isTime ? axis : places, { ...axis, size: 64 }],
      series: [{ label: chart.axis, value: (_, x) => (x == null ? "–" : label(x)) }, ...series],
      cursor: { y: false },
    };
    area.textContent = "";
    const plot = new uPlot(options, [xs, ...chart.series.map((series) => series.values)], area);
    new ResizeObserver(() => plot.setSize({ width: area.clientWidth, height: 270 })).observe(area);
  }

  function drawAll(within) {
    within.querySelectorAll("[data-chart]").forEach(draw);
  }

  function follow(part) {
    const state = part.querySelector(".live-state");
    const content = part.querySelector(".live-content");
    const alive = state.textContent;
    const source = new EventSource(part.dataset.live);
    let lost = 0;
    const show = (isLost) => {
      part.classList.toggle("lost", isLost);
      state.textContent = isLost ? part.dataset.lost : alive;
    };
    source.onopen = () => { clearTimeout(lost); lost = 0; show(false); };
    // A stream ends every few seconds and comes back at once: only what stays away is lost.
    source.onerror = () => {
      lost ||= setTimeout(() => show(true), 4000);
      if (source.readyState === EventSource.CLOSED) setTimeout(() => follow(part), 3000);
    };
    source.onmessage = (event) => {
      // Nobody loses the row that they are at.
      if (content.contains(document.activeElement)) return;
      content.innerHTML = event.data;
      drawAll(content);
    };
  }

  function readInto(input) {
    input.addEventListener("change", async () => {
      const file = input.files[0];
      if (file) document.getElementById(input.dataset.into).value = await file.text();
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    drawAll(document);
    document.querySelectorAll("[data-live]").forEach(follow);
    document.querySelectorAll("input[type=file][data-into]").forEach(readInto);
  });
})();
