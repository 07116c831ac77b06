// The page is readable without this. It adds charts, search and order, ages that
// keep up with the clock, and a theme of one's choice. It asks nothing of anybody.
(() => {
  "use strict"
  const $ = id => document.getElementById(id)
  const all = (selector, from = document) => [...from.querySelectorAll(selector)]
  const make = (tag, className = "", text = "") => Object.assign(document.createElement(tag), { className, textContent: text })
  const data = JSON.parse($("data").textContent)

  // Words, as words.go has them.
  const size = bytes => {
    const units = ["B", "kB", "MB", "GB", "TB"]
    let i = 0
    while (i < 4 && Math.round(bytes * 10) >= 10000) { bytes /= 1000; i++ }
    return Math.round(bytes * 10) / 10 + "\u00a0" + units[i]
  }
  const took = s => s < 120 ? s + "\u00a0s" : s < 7200 ? Math.floor(s / 60) + "\u00a0min" : (s / 3600).toFixed(1) + "\u00a0h"
  const length = s => s < 7200 ? Math.floor(s / 60) + " min" : s < 172800 ? Math.floor(s / 3600) + " h" : Math.floor(s / 86400) + " days"
  const ago = s => s < 0 ? "in " + length(-s) : s < 120 ? "just now" : length(s) + " ago"
  const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
  const two = n => String(n).padStart(2, "0")
  const day = t => t.getUTCDate() + " " + months[t.getUTCMonth()]
  const full = t => day(t) + " " + t.getUTCFullYear() + ", " + two(t.getUTCHours()) + ":" + two(t.getUTCMinutes()) + " UTC"

  // Ages.
  const times = all("time").filter(e => e.dateTime.length > 7).map(e => ({ e, t: Date.parse(e.dateTime) / 1000 }))
  for (const { e, t } of times) e.title = full(new Date(t * 1000))
  const tick = () => {
    const now = Date.now() / 1000
    for (const { e, t } of times) {
      const text = ago(now - t)
      if (e.textContent !== text) e.textContent = text
    }
    const late = now - data.at
    const old = $("old"), text = "This page is from " + length(late) + " ago. It is old: is the monitor still running?"
    if (late > 3600 && old.textContent !== text) old.textContent = text
    old.hidden = late <= 3600
  }
  tick()
  setInterval(tick, 30000)

  // Charts.
  const colour = name => {
    const probe = document.body.appendChild(make("i"))
    probe.style.color = "var(--" + name + ")"
    const is = getComputedStyle(probe).color
    probe.remove()
    return is
  }
  // The backups of a job from number first on, as columns.
  const columns = (job, first = 0) => {
    let t = 0, m = 0
    const all = { x: job.t.map(d => (t += d) * 60), y: job.s.map(s => s * job.u), usual: job.m.map(d => (m += d) ? m * job.u : null), took: job.d || [] }
    for (const name in all) all[name] = all[name].slice(first)
    return { ...all, odd: new Set((job.o || []).map(i => i - first)), low: job.lo || 1, high: job.hi || 1 }
  }
  // Old backups lie far apart, so that all of them together leave the latest
  // little room: recent is where to begin instead, 0 where all is recent.
  const recent = job => {
    const { x } = columns(job), n = x.length, first = Math.max(0, n - 30)
    return n > 30 && x[n - 1] - x[0] > 2 * (x[n - 1] - x[first]) ? first : 0
  }
  const utc = t => uPlot.tzDate(new Date(t * 1000), "Etc/UTC")
  const dates = (u, splits) => {
    const years = splits.length > 1 && splits.at(-1) - splits[0] > 400 * 86400
    return splits.map(t => { const d = new Date(t * 1000); return years ? months[d.getUTCMonth()] + " " + d.getUTCFullYear() : day(d) })
  }
  const font = "12px system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"
  const steps = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 43200, 86400] // of durations, s
  const frame = (box, height, tell, values, x) => ({
    width: box.clientWidth, height, tzDate: utc, legend: { show: false }, padding: [8, 24, x ? 0 : 8, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 }, sync: { key: box.parentNode.id } },
    hooks: { setCursor: [tell] },
    axes: [
      { show: x, stroke: colour("muted"), font, grid: { show: false }, ticks: { show: false }, values: dates, space: 70, size: 30 },
      { stroke: colour("muted"), font, size: 66, grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, space: x ? 32 : 22, ...x || { incrs: steps }, values: (u, v) => v.map(values) },
    ],
  })
  const drawSizes = (box, { x, y, usual, odd, low, high }, tell) => {
    const top = Math.max(...y, ...usual) * 1.12 || 1, line = colour("accent"), bad = colour("critical")
    const edge = { stroke: "transparent", width: 0, points: { show: false } }
    return new uPlot({
      ...frame(box, 190, tell, size, true),
      scales: { y: { range: [0, top] } },
      bands: [{ series: [1, 2], fill: colour("band") }],
      series: [{}, edge, edge,
        { stroke: colour("muted"), width: 1.5, dash: [5, 4], points: { show: false } },
        { stroke: line, width: 2, points: { show: x.length < 60, size: 5, fill: line } },
        { stroke: "transparent", width: 0, points: { show: true, size: 13, width: 3, stroke: bad, fill: "transparent" } },
      ],
    }, [x, usual.map(m => m && m * high), usual.map(m => m && m * low), usual, y, y.map((v, i) => odd.has(i) ? v : null)], box)
  }
  const drawTook = (box, { x, took: seconds }, tell) => new uPlot({
    ...frame(box, 76, tell, took, false),
    scales: { y: { range: (u, min, max) => [0, max * 1.1 || 1] } },
    series: [{}, { stroke: colour("bar"), fill: colour("bar"), width: 0, paths: uPlot.paths.bars({ size: [.6, 12] }), points: { show: false } }],
  }, [x, seconds.map(s => s || null)], box)
  const key = "dashed: usual · shaded: in order · circled: out of the ordinary"
  const draw = row => {
    if (!row.plot) prepare(row)
    if (!row.plot || !row.plot.clientWidth) return
    for (const chart of row.charts) chart.destroy()
    const job = columns(row.job, row.first), { x, y, usual, took: seconds } = job
    const tell = u => {
      const i = u.cursor.idx
      row.read.textContent = i == null ? key : [full(new Date(x[i] * 1000)), size(y[i]), usual[i] && "usual " + size(usual[i]), seconds[i] && "took " + took(seconds[i])].filter(Boolean).join(" · ")
    }
    row.charts = [drawSizes(row.plot, job, tell)]
    if (seconds.length) row.charts.push(drawTook(row.plot, job, tell))
    for (const canvas of all("canvas", row.plot)) canvas.setAttribute("aria-hidden", "true")
  }
  // prepare makes what stands around the charts of a row.
  const prepare = row => {
    const box = row.details.querySelector(".chart")
    if (!box) return
    const bar = make("div", "bar"), first = recent(row.job)
    box.id = "chart-" + row.i
    row.first = first
    if (first) {
      const buttons = [["Recent", first], ["All", 0]].map(([text, from]) => {
        const button = make("button", "", text)
        button.type = "button"
        button.addEventListener("click", () => {
          row.first = from
          buttons.forEach(b => b.setAttribute("aria-pressed", b === button))
          draw(row)
        })
        button.setAttribute("aria-pressed", from === first)
        return button
      })
      bar.append(...buttons)
    }
    row.read = make("span", "read", key)
    row.read.setAttribute("aria-hidden", "true")
    row.plot = make("div", "plot")
    bar.append(row.read)
    box.append(bar, row.plot)
  }
  const spark = row => {
    const box = row.details.querySelector(".spark")
    if (!box.clientWidth || row.job.t.length < 2) return
    box.replaceChildren()
    const y = columns(row.job, Math.max(0, row.job.t.length - 30)).y
    new uPlot({
      width: box.clientWidth, height: 26, legend: { show: false }, cursor: { show: false }, padding: [3, 1, 3, 1],
      scales: { x: { time: false }, y: { range: [0, Math.max(...y) * 1.05 || 1] } }, axes: [{ show: false }, { show: false }],
      series: [{}, { stroke: colour("accent"), width: 1.5, fill: colour("band"), points: { show: false } }],
    }, [y.map((_, i) => i), y], box)
    box.firstChild.setAttribute("aria-hidden", "true")
  }

  // The calendar of a month, from the words beside it.
  const calendar = (cell, month) => {
    const days = make("div", "days"), why = {}
    days.setAttribute("aria-hidden", "true")
    for (const group of all("span", cell)) {
      for (const range of group.firstChild.data.split(",")) {
        const [from, to = from] = range.split("–").map(Number)
        for (let d = from; d <= to; d++) why[d] = group.lastChild.textContent
      }
    }
    const [year, number] = month.split("-").map(Number), last = new Date(Date.UTC(year, number, 0)).getUTCDate()
    for (let d = 1; d <= 31; d++) {
      const reason = why[d] || ""
      const box = make("b", d > last ? "no" : /deleted next/.test(reason) ? "goes" : /held/.test(reason) ? "held" : reason && "in")
      if (reason) box.title = d + " " + months[number - 1] + ": " + reason
      days.append(box)
    }
    cell.prepend(days)
  }

  // Rows: drawn when opened.
  const rows = all(".job").map((details, i) => ({
    i, details, job: data.jobs[i], charts: [], list: details.parentNode, name: details.querySelector("h3").textContent,
    host: details.querySelector("h3 span").textContent.slice(0, -1),
    text: [details.querySelector("h3"), ...all(".findings", details)].map(e => e.textContent).join(" ").toLowerCase(),
    state: details.classList[1], silenced: !!details.querySelector("summary .chip"),
  }))
  const width = new ResizeObserver(entries => {
    for (const { target } of entries) {
      const row = rows[target.dataset.i]
      if (row.details.open && row.charts.length && row.charts[0].width !== target.clientWidth) draw(row)
    }
  })
  const opened = row => {
    if (!row.details.open) return
    draw(row)
    if (row.seen) return
    row.seen = true
    for (const line of all(".cal tbody tr", row.details)) calendar(line.lastElementChild, line.querySelector("time").dateTime)
    if (row.plot) { row.plot.dataset.i = row.i; width.observe(row.plot) }
  }
  for (const row of rows) row.details.addEventListener("toggle", () => opened(row))
  const near = new IntersectionObserver(entries => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) { near.unobserve(target); spark(rows.find(row => row.details === target)) }
    }
  }, { rootMargin: "200px" })
  const sparks = () => { for (const row of rows) { near.unobserve(row.details); near.observe(row.details) } }
  const redraw = () => { sparks(); rows.forEach(row => row.details.open && draw(row)) }
  sparks()
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw)
  matchMedia("(min-width: 56rem)").addEventListener("change", sparks)

  // Search, filter, order.
  const orders = {
    "": (a, b) => a.i - b.i, name: (a, b) => a.name.localeCompare(b.name), age: (a, b) => a.job.a - b.job.a,
    size: (a, b) => b.job.z - a.job.z, stored: (a, b) => b.job.b - a.job.b,
  }
  const find = () => {
    const words = $("q").value.toLowerCase().split(/\s+/), state = $("state").value, host = $("host").value
    let n = 0
    for (const row of rows) {
      const fits = words.every(word => row.text.includes(word)) && (!host || row.host === host) &&
        (!state || row.state === state || state === "bad" && row.state !== "ok" || state === "silenced" && row.silenced)
      row.details.hidden = !fits
      n += fits
    }
    $("found").textContent = n === rows.length ? n + (n === 1 ? " job" : " jobs") : n + " of " + rows.length + " jobs"
  }
  const order = () => { for (const row of [...rows].sort(orders[$("sort").value])) row.list.append(row.details) }
  if (rows.length > 1) {
    for (const host of [...new Set(rows.map(row => row.host))].sort()) $("host").append(new Option(host, host))
    $("controls").hidden = false
    $("q").addEventListener("input", find)
    for (const id of ["state", "host"]) $(id).addEventListener("change", find)
    $("sort").addEventListener("change", order)
    find()
  }

  // A job that the address names is opened.
  const go = () => {
    const row = rows.find(row => row.details.id === decodeURIComponent(location.hash.slice(1)))
    if (row) { row.details.open = true; row.details.scrollIntoView() }
  }
  addEventListener("hashchange", go)
  go()

  // Theme. A page that came as a file may have nowhere to remember it.
  const store = "holdfast-theme"
  const use = theme => { document.documentElement.dataset.theme = theme; redraw() }
  let theme = ""
  try { theme = localStorage.getItem(store) || "" } catch { }
  $("theme").hidden = false
  for (const radio of all("#theme input")) {
    radio.checked = radio.value === theme
    radio.addEventListener("change", () => {
      use(radio.value)
      try { localStorage.setItem(store, radio.value) } catch { }
    })
  }
  if (theme) use(theme)

  // Paper: what is wrong is open on it, and closed again after.
  let shut = []
  addEventListener("beforeprint", () => {
    shut = rows.filter(row => row.state !== "ok" && !row.details.open)
    for (const row of shut) row.details.open = true
    rows.forEach(opened)
  })
  addEventListener("afterprint", () => { for (const row of shut) row.details.open = false })
})()
