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
  track.clicks?.forEach((row, index) => Object.assign(row, { id: `click:${index}`, track }));
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

const isClick = (item) => item.kind.endsWith(' click');
const plural = (count, noun) => `${count} ${noun}${count === 1 ? '' : 's'}`;
const byVerdict = () => data.tiou !== null && $('verdict').checked;

// The rows of results that pass the slider, and in a verdict the ground truths that they miss.
function visible(track) {
  if (track.truth) return [...track.rows.map((row) => ({ ...row, kind: 'truth' })), ...track.clicks];
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
  items.filter(isClick).forEach((item) => { item.lane = 0; }); // a mark on the bar, if there is one
  const ordered = items.filter((item) => !isClick(item)).sort((a, b) => (b.score ?? 2) - (a.score ?? 2) || a.start - b.start);
  for (const item of ordered) {
    let lane = 0;
    while (lanes[lane]?.some((other) => other.start < item.end && item.start < other.end)) lane += 1;
    (lanes[lane] ??= []).push(item);
    item.lane = lane;
  }
  return Math.max(lanes.length, 1);
}

function describe(item, separator) {
  if (isClick(item)) return [item.label, item.kind, `${item.start.toFixed(2)} s`].join(separator);
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
  const left = `${(100 * start) / data.duration}%`;
  bar.style.left = isClick(item) ? `clamp(9px, ${left}, 100% - 9px)` : left; // a mark is seen whole
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
      const items = all.filter(
        (item) => item.label === label || (everything && item.kind === 'truth'));
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

const clickKinds = () => ['background click', 'action click'].filter(
  (kind) => data.tracks.some((track) => track.clicks?.some((click) => click.kind === kind)));

function summarise(shown, chosen) {
  $('score-value').textContent = Number($('score').value).toFixed(2);
  const parts = shown.map(([track, all]) => {
    const items = all.filter((item) => chosen.has(item.label));
    const count = (kind) => items.filter((item) => item.kind === kind).length;
    if (track.truth) {
      const clicks = clickKinds().map((kind) => plural(count(kind), kind));
      return [plural(count('truth'), 'ground truth'), ...clicks].join(', ');
    }
    const rest = track.leftOut ? `, the lowest ${track.leftOut} are not in this page` : '';
    if (!byVerdict()) {
      const of = data.tracks.length > 1 ? `${track.name}: ` : ''; // alone, the legend has its name
      return `${of}${plural(items.length, 'detection')}${rest}`;
    }
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
  clickKinds().forEach((kind) => add(kind, kind));
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
    const of = isClick(item) ? item.kind : item.track.name;
    const score = item.kind === 'missed' ? '' : (item.score?.toFixed(3) ?? '');
    const verdict = ['correct', 'wrong', 'missed'].includes(item.kind) ? item.kind : '';
    for (const text of [item.label, of]) create('td', { textContent: text }, row);
    for (const text of [item.start.toFixed(2), item.end.toFixed(2), score]) {
      create('td', { textContent: text, className: 'number' }, row);
    }
    create('td', { textContent: verdict }, row);
  }
}
