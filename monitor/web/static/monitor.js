// What the pages do beyond links and forms: charts, keys, selection. Without it every page still works.
"use strict";
(() => {
  const root = document.documentElement;
  const language = root.lang === "en" ? "en-GB" : root.lang;
  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const read = (element, name) => JSON.parse(element.dataset[name] || "{}");
  const drawn = [];

  const number = (value, digits = 0) =>
    new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value).replace("-", "−");
  const day = (iso, options) =>
    new Intl.DateTimeFormat(language, { timeZone: "UTC", ...options }).format(new Date(iso + "T00:00:00Z"));
  const short = (iso) => day(iso, { day: "numeric", month: "short" });
  const long = (iso) => day(iso, { weekday: "short", day: "numeric", month: "long", year: "numeric" });

  const hatch = (colour) => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 8;
    const pen = canvas.getContext("2d");
    pen.strokeStyle = colour;
    pen.lineWidth = 1.5;
    pen.beginPath();
    for (const shift of [-8, 0, 8]) { pen.moveTo(shift, 8); pen.lineTo(shift + 8, 0); }
    pen.stroke();
    return { type: "pattern", image: canvas, repeat: "repeat" };
  };

  const base = () => ({
    animation: false,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: css("--muted") },
    grid: { left: 8, right: 12, top: 14, bottom: 6, containLabel: true },
    tooltip: {
      // drawn on the canvas: no markup, so nothing a stranger wrote can become any
      trigger: "axis", renderMode: "richText", backgroundColor: css("--surface"), borderColor: css("--line-strong"),
      textStyle: { color: css("--ink"), fontSize: 12 }, axisPointer: { type: "shadow", shadowStyle: { color: "rgba(128,140,160,0.12)" } },
    },
    xAxis: {
      type: "category", axisTick: { show: false }, axisLine: { lineStyle: { color: css("--line-strong") } },
      axisLabel: { color: css("--muted"), fontSize: 11, hideOverlap: true },
    },
    yAxis: {
      type: "value", minInterval: 1, splitLine: { lineStyle: { color: css("--line") } },
      axisLabel: { color: css("--muted"), fontSize: 11, formatter: (value) => number(value) },
    },
  });

  const charts = {
    timeline(element, data, words) {
      const steps = data.steps;
      const days = steps.map((step) => step.first_day);
      const index = (iso, forward) => {
        const at = days.findIndex((d, i) => iso <= steps[i].last_day);
        return at < 0 ? (forward ? -1 : days.length - 1) : at;
      };
      const areas = [];
      for (const mark of data.incidents) {
        const from = index(mark.first_day < days[0] ? days[0] : mark.first_day, true);
        const to = index(mark.last_day, false);
        if (from >= 0) areas.push([{ xAxis: days[from], name: "" }, { xAxis: days[Math.max(from, to)] }]);
      }
      const option = base();
      option.tooltip.formatter = (points) => {
        const step = steps[points[0].dataIndex];
        const c = step.counts;
        const lines = [step.first_day === step.last_day ? long(step.first_day) : `${short(step.first_day)} – ${short(step.last_day)}`,
          `${words.negative}: ${number(c.n_negative)}`, `${words.neutral}: ${number(c.n_neutral)}`,
          `${words.positive}: ${number(c.n_positive)}`];
        if (step.coverage !== null && step.coverage < 0.995) lines.push(`${words.coverage}: ${number(step.coverage * 100)} %`);
        for (const mark of data.incidents) {
          if (mark.first_day <= step.last_day && mark.last_day >= step.first_day) lines.push(words.incident);
        }
        return lines.join("\n");
      };
      option.xAxis.data = days;
      option.xAxis.axisLabel.formatter = short;
      option.xAxis = [option.xAxis, { type: "category", data: days, show: false, position: "bottom" }];
      option.yAxis = [option.yAxis, { type: "value", show: false, min: 0, max: 1 }];
      const bar = (name, key, colour) => ({
        name, type: "bar", stack: "n", barMaxWidth: 22, barCategoryGap: "22%", itemStyle: { color: css(colour) }, cursor: "pointer",
        data: steps.map((step) => step.counts[key]),
      });
      const negative = bar(words.negative, "n_negative", "--neg");
      negative.markArea = { silent: true, itemStyle: { color: css("--neg"), opacity: 0.1 }, data: areas };
      option.series = [
        { type: "bar", xAxisIndex: 1, yAxisIndex: 1, barWidth: "100%", silent: true, z: 0, tooltip: { show: false },
          itemStyle: { color: hatch(css("--hatch")) },
          data: steps.map((step) => (step.coverage !== null && step.coverage < 0.9 ? 1 : 0)) },
        negative, bar(words.neutral, "n_neutral", "--neu"), bar(words.positive, "n_positive", "--pos"),
      ];
      const click = (point) => {
        const step = steps[point.dataIndex];
        const url = new URL(element.dataset.href, location.href);
        url.searchParams.delete("period");
        url.searchParams.set("from", step.first_day);
        url.searchParams.set("to", step.last_day);
        location.href = url;
      };
      return { option, click };
    },

    band(element, data, words) {
      const days = data.points.map((point) => point.day);
      const option = base();
      option.tooltip.formatter = (points) => {
        const point = data.points[points[0].dataIndex];
        const seen = point.negative === null ? words.missing : `${words.observed}: ${number(point.negative)}`;
        return [long(point.day), seen, `${words.expected}: ${number(point.expected, 1)}`,
          `${words.usual}: ${number(point.low)}–${number(point.high)}`].join("\n");
      };
      option.xAxis.data = days;
      option.xAxis.axisLabel.formatter = short;
      option.xAxis.boundaryGap = true;
      const inside = (d) => d >= data.first_day && d <= data.last_day;
      const hidden = { symbol: "none", silent: true, lineStyle: { opacity: 0 }, step: "middle" };
      option.series = [
        { type: "line", stack: "band", ...hidden, data: data.points.map((point) => point.low) },
        { type: "line", stack: "band", ...hidden, areaStyle: { color: css("--band"), opacity: 1 },
          data: data.points.map((point) => point.high - point.low) },
        { type: "line", symbol: "none", silent: true, lineStyle: { color: css("--accent"), width: 1.3, type: "dashed" },
          data: data.points.map((point) => point.expected) },
        { type: "bar", barMaxWidth: 16, z: 3,
          data: data.points.map((point) => ({ value: point.negative,
            itemStyle: { color: inside(point.day) && point.negative > point.high ? css("--neg") : css("--neu") } })) },
      ];
      return { option };
    },

    interval(element, data, words) {
      const points = data.points;
      const share = data.unit === "share";
      const show = (value) => share ? number(value * 100) + " %" : number(value, data.unit === "stars" ? 2 : 0);
      const step = element.dataset.step || false;
      const option = base();
      option.tooltip.axisPointer = { type: "line" };
      option.tooltip.formatter = (found) => {
        const point = points[found[0].dataIndex];
        if (point.value === null) return `${point.label}\n${words.few}\nn = ${number(point.n)}`;
        const lines = [point.label, show(point.value), `${words.interval}: ${show(point.low)} – ${show(point.high)}`, `n = ${number(point.n)}`];
        if (point.clear) lines.push(words.clear);
        return lines.join("\n");
      };
      option.xAxis.data = points.map((point) => point.label);
      option.xAxis.boundaryGap = !step;
      if (words.axis) Object.assign(option.xAxis, { name: words.axis, nameLocation: "middle", nameGap: 26, nameTextStyle: { color: css("--muted") } });
      option.grid.bottom = words.axis ? 26 : 6;
      option.yAxis = { ...option.yAxis, scale: !share, minInterval: share ? 0 : 0.1, axisLabel: { ...option.yAxis.axisLabel, formatter: show } };
      if (share) Object.assign(option.yAxis, { min: 0, max: Math.max(...points.map((point) => point.high || 0)) > 0.5 ? 1 : null });
      const band = { type: "line", stack: "band", stackStrategy: "all", symbol: "none", silent: true, lineStyle: { opacity: 0 }, step };
      option.series = [
        { ...band, data: points.map((point) => point.low) },
        { ...band, areaStyle: { color: css("--accent"), opacity: 0.14, origin: "auto" },
          data: points.map((point) => (point.value === null ? null : point.high - point.low)) },
        { type: "line", step, z: 3, symbol: step ? "none" : "circle", symbolSize: (value, at) => (points[at.dataIndex].clear ? 10 : 6),
          lineStyle: { color: css("--accent"), width: 2 }, itemStyle: { color: css("--accent") },
          data: points.map((point) => point.value) },
      ];
      return { option };
    },

    effect(element, data, words) {
      const share = data.unit === "share";
      const show = (value) => share ? number(value * 100) + " %" : number(value);
      const option = base();
      option.tooltip.axisPointer = { type: "line" };
      option.tooltip.formatter = (found) => {
        const week = data.weeks[found[0].dataIndex];
        const line = (name, value, x, n) => value === null ? `${name}: –` : `${name}: ${show(value)} (${number(x)} ${words.of} ${number(n)})`;
        const lines = [long(week.day), line(words.treated, week.treated, week.x, week.n)];
        if (week.x_control !== null) lines.push(line(words.control, week.control, week.x_control, week.n_control));
        return lines.join("\n");
      };
      option.xAxis.data = data.weeks.map((week) => week.day);
      option.xAxis.axisLabel.formatter = short;
      option.yAxis = { ...option.yAxis, min: 0, minInterval: share ? 0 : 1, axisLabel: { ...option.yAxis.axisLabel, formatter: show } };
      option.grid.top = 26;
      const line = (key, colour, width) => ({ type: "line", data: data.weeks.map((week) => week[key]), symbol: "circle", symbolSize: 5,
        connectNulls: true, lineStyle: { color: css(colour), width }, itemStyle: { color: css(colour) } });
      const treated = line("treated", "--accent", 2.5);
      const edge = data.weeks[data.change];
      if (edge) {
        treated.markLine = { symbol: "none", silent: true, lineStyle: { color: css("--ink"), type: "dashed", width: 1 },
          label: { formatter: words.change, color: css("--ink"), fontSize: 11 }, data: [{ xAxis: edge.day }] };
        treated.markArea = { silent: true, itemStyle: { color: css("--accent"), opacity: 0.05 },
          data: [[{ xAxis: edge.day }, { xAxis: data.weeks[data.weeks.length - 1].day }]] };
      }
      option.series = [line("control", "--neu", 1.5), treated];
      return { option };
    },

    calibration(element, data, words) {
      const option = base();
      option.tooltip.trigger = "item";
      option.tooltip.formatter = (point) => {
        const bin = data[point.dataIndex];
        return bin ? `${words.sure}: ${number(bin.p * 100)} %\n${words.right}: ${number(bin.right * 100)} %\nn = ${number(bin.n)}` : "";
      };
      const axis = (name) => ({ ...option.yAxis, type: "value", min: 0, max: 1, minInterval: 0, name, nameLocation: "middle",
        nameGap: 30, nameTextStyle: { color: css("--muted") },
        axisLabel: { ...option.yAxis.axisLabel, formatter: (value) => number(value * 100) + " %" } });
      option.xAxis = axis(words.sure);
      option.yAxis = { ...axis(words.right), nameGap: 42 };
      option.grid = { left: 30, right: 16, top: 14, bottom: 40, containLabel: true };
      option.series = [
        { type: "scatter", data: data.map((bin) => [bin.p, bin.right]), symbolSize: (value, at) => 7 + Math.min(18, Math.sqrt(data[at.dataIndex].n)),
          itemStyle: { color: css("--accent") } },
        { type: "line", data: [[0, 0], [1, 1]], symbol: "none", silent: true, lineStyle: { color: css("--line-strong"), type: "dashed" } },
      ];
      return { option };
    },
  };

  const draw = async (element) => {
    if (!window.echarts) return;
    let data = element.dataset.values ? JSON.parse(element.dataset.values) : null;
    if (!data) {
      const answer = await fetch(element.dataset.url, { headers: { accept: "application/json" } });
      if (!answer.ok) return;
      data = await answer.json();
    }
    const chart = window.echarts.init(element, null, { renderer: "canvas" });
    const show = () => {
      const made = charts[element.dataset.chart](element, data, read(element, "words"));
      chart.setOption(made.option, true);
      chart.off("click");
      if (made.click) chart.on("click", made.click);
    };
    show();
    drawn.push({ chart, show });
  };

  document.querySelectorAll("[data-chart]").forEach(draw);
  addEventListener("resize", () => drawn.forEach(({ chart }) => chart.resize()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach(({ show }) => show()));

  // a table that is wider than its place (behind a chart: taller) scrolls by keys too, under the name of the heading before it
  const headings = [...document.querySelectorAll("h1, h2, h3")];
  const reach = (wrap) => {
    if (wrap.scrollWidth <= wrap.clientWidth + 1 && wrap.scrollHeight <= wrap.clientHeight + 1) {
      for (const name of ["tabindex", "role", "aria-label"]) wrap.removeAttribute(name);
      return;
    }
    const before = headings.filter((one) => one.compareDocumentPosition(wrap) & Node.DOCUMENT_POSITION_FOLLOWING);
    wrap.tabIndex = 0;
    wrap.setAttribute("role", "region");
    wrap.setAttribute("aria-label", before.length ? before[before.length - 1].textContent.trim() : document.title);
  };
  const fits = new ResizeObserver((seen) => seen.forEach(({ target }) => reach(target.closest(".tablewrap"))));
  document.querySelectorAll(".tablewrap").forEach((wrap) => [wrap, ...wrap.children].forEach((one) => fits.observe(one)));

  // selection of mentions for bulk corrections
  const chosen = () => [...document.querySelectorAll("input[data-choose]:checked")];
  const bulk = document.querySelector("[data-bulk]");
  const count = () => {
    if (!bulk) return;
    const n = chosen().length;
    bulk.hidden = n === 0;
    bulk.querySelector("[data-n]").textContent = number(n);
  };
  document.addEventListener("change", (event) => {
    if (event.target.matches("input[data-choose]")) count();
    if (event.target.matches("select[data-go]")) event.target.form.submit();
  });
  if (bulk) {
    bulk.addEventListener("submit", () => {
      bulk.querySelectorAll("input[name=id]").forEach((old) => old.remove());
      if (bulk.querySelector("input[name=all]:checked")) return;
      for (const box of chosen()) {
        const field = document.createElement("input");
        field.type = "hidden"; field.name = "id"; field.value = box.value;
        bulk.append(field);
      }
    });
    bulk.querySelector("[data-none]").addEventListener("click", () => { chosen().forEach((box) => { box.checked = false; }); count(); });
  }

  // a list too long to read is narrowed by letters; what is chosen stays in sight
  document.querySelectorAll("input[data-find]").forEach((field) => {
    field.hidden = false;
    const lines = [...field.parentElement.querySelectorAll("label, tbody tr")];
    const plain = (text) => text.toLocaleLowerCase(language).replaceAll("ё", "е");
    field.addEventListener("input", () => {
      const letters = plain(field.value.trim());
      for (const line of lines) line.hidden = !plain(line.textContent).includes(letters) && !line.querySelector("input:checked");
    });
    field.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
  });

  // fields of a form that only some kinds need
  const kind = document.querySelector("select[data-kind]");
  if (kind) {
    const fit = () => kind.form.querySelectorAll("[data-for]").forEach((field) => {
      field.hidden = !field.dataset.for.split(" ").includes(kind.value);
    });
    kind.addEventListener("change", fit);
    fit();
  }

  // forms that ask before they act, and what is selected stays in the text
  document.addEventListener("submit", (event) => {
    const question = event.target.dataset.ask;
    if (question && !confirm(question)) event.preventDefault();
  });

  // keys: / search, j and k through mentions, x choose, o open, ? nothing hidden: they stand under the feed
  let at = -1;
  const step = (by) => {
    const all = [...document.querySelectorAll(".feed .mention")];
    if (!all.length) return;
    all[at]?.classList.remove("here");
    at = Math.max(0, Math.min(all.length - 1, at + by));
    all[at].classList.add("here");
    all[at].scrollIntoView({ block: "nearest" });
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea")) { if (event.key === "Escape") event.target.blur(); return; }
    const here = document.querySelector(".mention.here");
    const keys = {
      "/": () => document.querySelector("input[type=search]")?.focus(),
      j: () => step(1), k: () => step(-1),
      x: () => { const box = here?.querySelector("input[data-choose]"); if (box) { box.checked = !box.checked; count(); } },
      o: () => { const link = here?.querySelector("a[data-open]"); if (link) location.href = link.href; },
      Escape: () => document.querySelectorAll("details.panel[open]").forEach((panel) => { panel.open = false; }),
    };
    const go = keys[event.key];
    if (go) { go(); if (event.key !== "Escape") event.preventDefault(); }
  });
  document.addEventListener("click", (event) => {
    document.querySelectorAll("details.panel[open]").forEach((panel) => { if (!panel.contains(event.target)) panel.open = false; });
  });
})();
