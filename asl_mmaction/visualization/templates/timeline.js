'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const $ = (id) => document.getElementById(id);
const LANE = 22; // pixels
const MAX_PIXELS_PER_SECOND = 1000;
const scroller = $('scroller');
const video = $('video');
let zoom = 1;
let selected = null; // id of the bar whose numbers are shown
let bars = []; // the elements, row by row, in order of time

// What is drawn. Every item: {id, track, start, end, label, score, match, kind}
const truths = data.tracks.filter((track) => track.truth).flatMap((track) => track.rows);
data.tracks.forEach((track, number) => {
  track.color = `var(--track-${(number - (data.tracks[0].truth ? 1 : 0)) % 4})`;
  track.rows.forEach((row, index) => Object.assign(row, { id: `${number}:${index}`, track }));
});

function create(tag, properties = {}, parent = null) {
  const element = Object.assign(document.createElement(tag), properties);
  if (parent) parent.append(element);
  return element;
}

function clock(seconds, digits = 0) {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const rest = (seconds % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, '0');
  return (parts[0] ? `${parts[0]}:${String(parts[1]).padStart(2, '0')}` : parts[1]) + `:${rest}`;
}

function tiou(a, b) {
  const inner = Math.min(a.end, b.end) - Math.max(a.start, b.start);
  return inner > 0 ? inner / (Math.max(a.end, b.end) - Math.min(a.start, b.start)) : 0;
}

const plural = (count, noun) => `${count} ${noun}${count === 1 ? '' : 's'}`;
const byVerdict = () => data.tiou !== null && $('verdict').checked;

// The rows of results that pass the slider, and in a verdict the ground truths that they miss.
function visible(track) {
  if (track.truth) return track.rows.map((row) => ({ ...row, kind: 'truth' }));
  const rows = track.rows.filter((row) => row.score >= Number($('score').value));
  if (!byVerdict()) return rows.map((row) => ({ ...row, kind: 'found' }));
  const found = new Set(rows.map((row) => row.match));
  return [
    ...rows.map((row) => ({ ...row, kind: row.match === undefined ? 'wrong' : 'correct' })),
    ...truths.filter((_, index) => !found.has(index)).map((row) => ({
      ...row, id: `${row.id}/${track.name}`, track, kind: 'missed',
      label: track.anyClass ? data.anyClass : row.label,
    })),
  ];
}

// The lowest lane in which each item overlaps none before it, the best first.
function assignLanes(items) {
  const lanes = [];
  const ordered = [...items].sort((a, b) => (b.score ?? 2) - (a.score ?? 2) || a.start - b.start);
  for (const item of ordered) {
    let lane = 0;
    while (lanes[lane]?.some((other) => other.start < item.end && item.start < other.end)) lane += 1;
    (lanes[lane] ??= []).push(item);
    item.lane = lane;
  }
  return Math.max(lanes.length, 1);
}

function describe(item, separator) {
  const words = [item.label, `${item.start.toFixed(2)} to ${item.end.toFixed(2)} s`];
  if (item.score !== undefined && item.kind !== 'missed') words.push(`score ${item.score.toFixed(3)}`);
  const kind = { truth: 'ground truth', found: item.track.name }[item.kind];
  words.push(kind ?? `${item.track.name}: ${item.kind}`);
  if (item.kind === 'correct') words.push(`tIoU ${tiou(item, truths[item.match]).toFixed(2)}`);
  return words.join(separator);
}

function addBar(item, parent) {
  const bar = create('button', { type: 'button', className: `bar ${item.kind}` }, parent);
  const start = Math.min(Math.max(item.start, 0), data.duration);
  const length = Math.min(item.end, data.duration) - start;
  bar.style.left = `${(100 * start) / data.duration}%`;
  bar.style.width = `${(100 * Math.max(length, 0)) / data.duration}%`;
  bar.style.top = `${item.lane * LANE + 2}px`;
  if (item.kind === 'found') {
    const share = 35 + 65 * Math.min(Math.max(item.score, 0), 1);
    bar.style.backgroundColor = `color-mix(in srgb, ${item.track.color} ${share}%, var(--paper))`;
    if (share < 80) bar.style.color = 'var(--ink)';
  }
  const text = item.kind === 'missed' ? 'missed' : (item.score?.toFixed(2) ?? '');
  create('span', { textContent: text }, bar);
  bar.setAttribute('aria-label', describe(item, ', '));
  bar.tabIndex = -1;
  bar.item = item;
  bar.classList.toggle('selected', item.id === selected);
  bars.push(bar);
}

function draw() {
  const focused = document.activeElement?.item?.id;
  const chosen = new Set(
    [...$('classes').querySelectorAll('input:checked')].map((box) => box.value));
  const shown = data.tracks.map((track) => [track, visible(track)]);
  bars = [];
  $('bands').replaceChildren();
  for (const label of data.classes.filter((name) => chosen.has(name))) {
    const band = create('div', { className: 'band' }, $('bands'));
    band.setAttribute('role', 'group');
    band.setAttribute('aria-label', label);
    for (const [track, all] of shown) {
      const everything = track.truth && label === data.anyClass;
      const items = all.filter((item) => everything || item.label === label);
      if (!items.length && band.children.length) continue;
      const row = create('div', { className: 'row' }, band);
      const name = create('div', { className: 'label' }, row);
      name.setAttribute('aria-hidden', 'true');
      create('b', { textContent: band.children.length > 1 ? '' : label, title: label }, name);
      create('i', { textContent: track.name, title: track.name }, name);
      const parent = create('div', { className: 'bars' }, row);
      parent.style.height = `${LANE * assignLanes(items)}px`;
      items.sort((a, b) => a.start - b.start || b.end - a.end).forEach((x) => addBar(x, parent));
    }
  }
  const current = bars.find((bar) => bar.item.id === (focused ?? selected)) ?? bars[0];
  if (current) current.tabIndex = 0;
  if (current && focused === current.item.id) current.focus({ preventScroll: true });
  summarise(shown, chosen);
  drawLegend();
  drawTable();
  fitText();
  markNow();
}

function summarise(shown, chosen) {
  $('score-value').textContent = Number($('score').value).toFixed(2);
  const parts = shown.map(([track, all]) => {
    const items = all.filter((item) => chosen.has(item.label));
    if (track.truth) return plural(items.length, 'ground truth');
    const count = (kind) => items.filter((item) => item.kind === kind).length;
    const rest = track.leftOut ? `, the lowest ${track.leftOut} are not in this page` : '';
    if (!byVerdict()) return `${track.name}: ${plural(items.length, 'detection')}${rest}`;
    const verdict = `${count('correct')} correct, ${count('wrong')} wrong, ${count('missed')} missed`;
    return `${track.name}: ${verdict}${rest}`;
  });
  $('summary').textContent = parts.join('; ');
}

function drawLegend() {
  $('legend').replaceChildren();
  const add = (kind, text, color) => {
    const item = create('li', {}, $('legend'));
    const swatch = create('span', { className: `bar ${kind}` }, item);
    if (color) swatch.style.backgroundColor = color;
    item.append(text);
  };
  if (truths.length) add('truth', 'ground truth');
  if (byVerdict()) ['correct', 'wrong', 'missed'].forEach((kind) => add(kind, kind));
  else {
    for (const track of data.tracks) {
      if (!track.truth) add('found', `${track.name}, the paler the lower its score`, track.color);
    }
  }
}

function drawTable() {
  const body = $('list').querySelector('tbody');
  body.replaceChildren();
  if (!$('list').open) return;
  for (const { item } of [...bars].sort((a, b) => a.item.start - b.item.start)) {
    const row = create('tr', {}, body);
    const of = item.kind === 'truth' ? 'ground truth' : item.track.name;
    const score = item.kind === 'missed' ? '' : (item.score?.toFixed(3) ?? '');
    const verdict = ['truth', 'found'].includes(item.kind) ? '' : item.kind;
    for (const text of [item.label, of]) create('td', { textContent: text }, row);
    for (const text of [item.start.toFixed(2), item.end.toFixed(2), score]) {
      create('td', { textContent: text, className: 'number' }, row);
    }
    create('td', { textContent: verdict }, row);
  }
}

// Zoom and pan
const labelWidth = () => $('ticks').offsetLeft;
const pixelsPerSecond = () => $('ticks').clientWidth / data.duration;

function setZoom(wanted, at = (scroller.clientWidth + labelWidth()) / 2) {
  const before = (scroller.scrollLeft + at - labelWidth()) / pixelsPerSecond();
  const view = scroller.clientWidth - labelWidth();
  const most = Math.max(1, (MAX_PIXELS_PER_SECOND * data.duration) / view);
  zoom = Math.min(Math.max(wanted, 1), most);
  scroller.style.setProperty('--zoom', zoom);
  scroller.scrollLeft = before * pixelsPerSecond() + labelWidth() - at;
  $('tip').hidden = true;
  fitText();
}

function fitText() {
  const scale = pixelsPerSecond();
  for (const bar of bars) {
    const space = (bar.item.end - bar.item.start) * scale;
    bar.classList.toggle('narrow', space < (bar.item.kind === 'missed' ? 46 : 30));
  }
  drawTicks();
}

function drawTicks() {
  const scale = pixelsPerSecond();
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
  const step = steps.find((value) => value * scale >= 70) ?? 14400;
  const first = Math.ceil(scroller.scrollLeft / scale / step); // none below the labels
  const last = Math.ceil((scroller.scrollLeft + scroller.clientWidth) / scale / step);
  $('ticks').replaceChildren();
  for (let index = first; index <= last && index * step < data.duration; index += 1) {
    const tick = create('span', { textContent: clock(index * step, step < 1 ? 1 : 0) }, $('ticks'));
    tick.style.left = `${(100 * index * step) / data.duration}%`;
  }
}

scroller.addEventListener('scroll', () => {
  $('tip').hidden = true;
  requestAnimationFrame(() => { drawTicks(); markNow(); });
});
new ResizeObserver(fitText).observe(scroller);
$('zoom-in').addEventListener('click', () => setZoom(zoom * 1.5));
$('zoom-out').addEventListener('click', () => setZoom(zoom / 1.5));
$('zoom-fit').addEventListener('click', () => setZoom(1));
scroller.addEventListener('wheel', (event) => {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  const at = event.clientX - scroller.getBoundingClientRect().left;
  setZoom(zoom * Math.exp(-event.deltaY / 300), at);
}, { passive: false });

let drag = null;
scroller.addEventListener('pointerdown', (event) => {
  if (event.pointerType !== 'mouse' || event.button !== 0) return;
  drag = { x: event.clientX, left: scroller.scrollLeft, moved: false };
});
window.addEventListener('pointermove', (event) => {
  if (!drag) return;
  drag.moved ||= Math.abs(event.clientX - drag.x) > 4;
  if (drag.moved) scroller.scrollLeft = drag.left - (event.clientX - drag.x);
  scroller.classList.toggle('dragged', drag.moved);
});
window.addEventListener('pointerup', () => {
  // The click that ends a drag comes after this.
  setTimeout(() => { drag = null; });
  scroller.classList.remove('dragged');
});

// Selection, keys, hover
scroller.addEventListener('click', (event) => {
  if (drag?.moved) return;
  const bar = event.target.closest('.bar');
  if (bar) select(bar);
  else if (video && !event.target.closest('.label')) {
    const left = $('ticks').getBoundingClientRect().left;
    seek((event.clientX - left) / pixelsPerSecond());
  }
});

function select(bar) {
  selected = bar.item.id;
  bars.forEach((other) => other.classList.toggle('selected', other === bar));
  $('details').textContent = describe(bar.item, ', ');
  focusBar(bar);
  seek(bar.item.start);
}

function focusBar(bar) {
  bars.forEach((other) => { other.tabIndex = other === bar ? 0 : -1; });
  bar.focus({ preventScroll: true });
  const left = bar.offsetLeft + labelWidth();
  const [low, high] = [scroller.scrollLeft + labelWidth(), scroller.scrollLeft + scroller.clientWidth];
  if (left < low || left > high - 20) scroller.scrollLeft = left - labelWidth() - 40;
  bar.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}

scroller.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === '+' || event.key === '=') setZoom(zoom * 1.5);
  else if (event.key === '-') setZoom(zoom / 1.5);
  else if (event.key === '0') setZoom(1);
  else {
    const bar = nextBar(event.key, document.activeElement);
    if (!bar) return;
    focusBar(bar);
  }
  event.preventDefault();
});

function nextBar(key, from) {
  if (!from?.item) return null;
  const rows = [...new Set(bars.map((bar) => bar.parentElement))];
  const row = [...from.parentElement.children];
  const index = row.indexOf(from);
  if (key === 'ArrowRight') return row[index + 1];
  if (key === 'ArrowLeft') return row[index - 1];
  if (key === 'Home') return row[0];
  if (key === 'End') return row.at(-1);
  const step = { ArrowDown: 1, ArrowUp: -1 }[key];
  const target = step && rows[rows.indexOf(from.parentElement) + step];
  if (!target) return null;
  const distance = (bar) => Math.abs(bar.item.start - from.item.start);
  return [...target.children].reduce((a, b) => (distance(b) < distance(a) ? b : a));
}

function showTip(bar, x, y) {
  $('tip').textContent = describe(bar.item, '\n');
  $('tip').hidden = false;
  const { width, height } = $('tip').getBoundingClientRect();
  const edge = document.documentElement.clientWidth - width - 8;
  $('tip').style.left = `${Math.max(8, Math.min(x + 12, edge))}px`;
  $('tip').style.top = `${y + 18 + height > innerHeight ? y - height - 10 : y + 18}px`;
}

scroller.addEventListener('pointermove', (event) => {
  const bar = event.target.closest('.bar');
  if (bar && !drag?.moved) showTip(bar, event.clientX, event.clientY);
  else $('tip').hidden = true;
});
scroller.addEventListener('pointerleave', () => { $('tip').hidden = true; });
scroller.addEventListener('focusin', (event) => {
  if (!event.target.item || !event.target.matches(':focus-visible')) return;
  const box = event.target.getBoundingClientRect();
  showTip(event.target, Math.max(box.left, 0), box.top);
});
scroller.addEventListener('focusout', () => { $('tip').hidden = true; });
document.addEventListener('keydown', (event) => { if (event.key === 'Escape') $('tip').hidden = true; });

// The player
function seek(time) {
  if (!video) return;
  video.currentTime = Math.min(Math.max(time, 0), data.duration);
  markNow();
}

function markNow() {
  if (!video) return;
  const time = video.currentTime;
  $('playhead').style.left = `${(100 * Math.min(time, data.duration)) / data.duration}%`;
  $('playhead').hidden = time * pixelsPerSecond() < scroller.scrollLeft - 1;
  // A browser rounds the time that it is set to.
  const active = bars.filter(({ item }) => item.start <= time + 0.001 && time < item.end);
  bars.forEach((bar) => bar.classList.toggle('active', active.includes(bar)));
  const found = active.filter(({ item }) => item.score !== undefined && item.kind !== 'missed');
  found.sort((a, b) => b.item.score - a.item.score);
  const names = found.map(({ item }) => `${item.label} ${item.score.toFixed(2)}`);
  $('now').textContent = `${clock(time, 1)}  ${names.join(', ') || 'nothing found here'}`;
}

function follow() {
  markNow();
  const x = video.currentTime * pixelsPerSecond();
  const view = scroller.clientWidth - labelWidth();
  const outside = x < scroller.scrollLeft || x > scroller.scrollLeft + 0.9 * view;
  if (outside) scroller.scrollLeft = x - 0.1 * view;
  if (!video.paused && !video.ended) requestAnimationFrame(follow);
}

if (video) {
  ['timeupdate', 'seeked', 'loadedmetadata'].forEach((name) => video.addEventListener(name, markNow));
  video.addEventListener('play', follow);
  const broken = () => { $('broken').hidden = false; };
  video.addEventListener('error', broken);
  if (video.error) broken();
}

// Controls
const scores = data.tracks.flatMap((track) => (track.truth ? [] : track.rows.map((row) => row.score)));
$('score').min = Math.floor(Math.min(0, ...scores));
$('score').max = Math.ceil(Math.max(1, ...scores));
$('score').value = data.threshold;
$('score').addEventListener('input', draw);
if (data.tiou !== null) {
  $('verdict-switch').hidden = false;
  $('tiou').textContent = ` at tIoU ${data.tiou}`;
  $('verdict').addEventListener('input', draw);
}
for (const name of data.classes) {
  const label = create('label', {}, $('classes'));
  const box = create('input', { type: 'checkbox', value: name, checked: true }, label);
  box.addEventListener('input', draw);
  label.append(name);
}
for (const [id, checked] of [['all', true], ['none', false]]) {
  $(id).addEventListener('click', () => {
    $('classes').querySelectorAll('input').forEach((box) => { box.checked = checked; });
    draw();
  });
}
$('list').addEventListener('toggle', drawTable);
const longest = Math.max(...data.classes.map((name) => name.length), 0);
scroller.style.setProperty('--wide', `${Math.min(longest + 16, 36)}ch`);
scroller.style.setProperty('--zoom', 1);
scroller.classList.toggle('single', data.tracks.filter((track) => !track.truth).length < 2);
draw();
