// Zoom, pan, keys, hover, player and controls of what drawing.js draws.
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
