'use strict';
// What the pages share: rows of the data, formats, the address, charts with their tables.
// A page's script calls page(id, draw); draw(choices) runs whenever the address or the colours change.

const LOCALE = 'en';
const PALETTE = ['#5470c6', '#ee8a3c', '#2f9e6e', '#c44e7b', '#8a63c9', '#b8962e', '#3aa0c4', '#d1495b', '#6b8e23', '#a0745a', '#5f7d95', '#d36fc3'];
const drawers = {}, charts = {}, widths = {}, objects = {}, indexes = {};
let DATA;

// --- Data ---------------------------------------------------------------------------------------

/** Rows of a table as objects. */
function rows(name) {
  return objects[name] ??= DATA[name].rows.map((row) => Object.fromEntries(DATA[name].columns.map((column, at) => [column, row[at]])));
}

function once(make) {
  let made;
  return () => made ??= make();
}

function grouped(list, key) {
  const groups = new Map();
  for (const row of list) {
    const value = key(row);
    if (!groups.has(value)) groups.set(value, []);
    groups.get(value).push(row);
  }
  return groups;
}

/** Rows of a table by the value of a column, looked up once. */
function rowsOf(name, column, value) {
  indexes[`${name}.${column}`] ??= grouped(rows(name), (row) => row[column]);
  return indexes[`${name}.${column}`].get(value) ?? [];
}

const dataSet = once(() => rows('data_set')[0]);
const segmentsByKey = once(() => new Map(rows('segments').map((segment) => [segment.segment_key, segment])));
const schemes = once(() => [...new Set(rows('segments').map((segment) => segment.scheme))].sort(bySchemeOrder));
const periods = once(() => [...new Set(rows('kpis').map((row) => row.period))].sort().reverse());

function bySchemeOrder(one, other) {
  return (other === 'rfm') - (one === 'rfm') || one.localeCompare(other);
}

function segmentsOf(scheme) {
  return rowsOf('segments', 'scheme', scheme);
}

/** The name of a segment. A key without one is that of a segment of the past. */
function nameOf(key) {
  if (key === 'outside') return 'Not yet or no longer known';
  if (key === 'all') return 'All customers';
  return segmentsByKey().get(key)?.name ?? `${words(key.slice(key.indexOf(':') + 1))} (earlier)`;
}

/** A condition with names in place of keys: "in lifecycle:active" is "in Active (Lifecycle)". */
function segmentWords(text) {
  return text.replace(/not \((in [a-z_]+:\w+)\)/g, 'not $1').replace(/\b[a-z_]+:\w+/g, (key) => segmentsByKey().has(key) ? `${nameOf(key)} (${schemeWords(key.split(':')[0])})` : key);
}

/** A segment's own colour, the same in all charts. */
function colourOf(key) {
  if (key === 'outside') return '#8b949e';
  const scheme = key.slice(0, key.indexOf(':'));
  const at = segmentsOf(scheme).findIndex((segment) => segment.segment_key === key);
  return at < 0 ? '#8b949e' : PALETTE[at % PALETTE.length];
}

/** Black or white, whichever is read better on a colour. */
function inkOn(colour) {
  const [red, green, blue] = echarts.color.parse(colour).map((part) => (part / 255) ** 2.2);
  return .2126 * red + .7152 * green + .0722 * blue > .18 ? '#000' : '#fff';
}

/** The segments of the first scheme, by revenue: what pages show where nothing is chosen. */
const richestSegments = once(() => rowsOf('kpis', 'period', periods()[0]).filter((row) => row.scheme === schemes()[0])
  .sort((one, other) => (other.revenue ?? 0) - (one.revenue ?? 0)).map((row) => row.segment_key));

/** What members did, by segment: in the period, or in the last whole one where none of its days are known. */
function behaviourOf(period) {
  const isKnown = rowsOf('kpis', 'period', period).some((row) => row.conversion != null);
  const list = isKnown ? rowsOf('kpis', 'period', period) : rowsOf('kpis', 'is_last_whole', true);
  return new Map(list.map((row) => [row.segment_key, row]));
}

/** Marks figures of members that are withheld: another segment has them in the period, or the size before is withheld. */
function markWithheld() {
  const figures = ['conversion', 'repeat_rate', 'revenue_per_member'];
  for (const list of grouped(rows('kpis'), (row) => row.period).values()) {
    const known = figures.filter((key) => list.some((row) => row[key] !== null));
    for (const row of list) {
      row.withheld = Object.fromEntries(known.map((key) => [key, row.customers > 0 && row[key] === null]));
      row.withheld.goal_progress = row.withheld.conversion;
    }
  }
  for (const history of grouped(rows('kpis'), (row) => row.segment_key).values()) {
    history.forEach((row, at) => { row.withheld.customers_change = at > 0 && history[at - 1].customers === null; });
  }
}

// --- Words and numbers --------------------------------------------------------------------------

function words(name) {
  const text = String(name).replaceAll('_', ' ').trim();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function schemeWords(scheme) {
  return scheme === 'rfm' ? 'RFM' : scheme === 'rule' ? 'Rules' : words(scheme);
}

const METRICS = {
  recency_days: 'Days since the last order', recency_days__all: 'Days since the last order', monetary: 'Lifetime revenue', revenue__all: 'Lifetime revenue',
  probability_of_lapses: 'Probability of lapsing', probability_of_buys_again: 'Probability of buying again',
  probability_of_becomes_high_value: 'Probability of becoming high value', probability_of_responds: 'Probability of responding',
};

/** A metric and its window in words: orders__365d is "Orders, last 365 days". */
function metricWords(feature) {
  if (Object.hasOwn(METRICS, feature)) return METRICS[feature];
  const [metric, window] = (feature ?? '').split('__');
  const days = /^(\d+)d$/.exec(window ?? '');
  return words(metric) + (days ? `, last ${days[1]} days` : window === 'all' ? ', all time' : '');
}

const WITHHELD = 'withheld', WITHHELD_BECAUSE = 'Withheld: small groups could be worked out from the rest.';
const format = {
  text: (value) => value ?? '',
  date: (value) => value ?? '',
  count: (value) => value == null ? WITHHELD : value.toLocaleString(LOCALE),
  number: (value) => value == null ? '–' : value.toLocaleString(LOCALE, {maximumSignificantDigits: Math.abs(value) >= 1000 ? 21 : 4, maximumFractionDigits: Math.abs(value) >= 1000 ? 0 : undefined}),
  share: (value) => value == null ? '–' : value.toLocaleString(LOCALE, {style: 'percent', maximumFractionDigits: 1}),
  change: (value) => value == null ? '–' : value.toLocaleString(LOCALE, {style: 'percent', maximumFractionDigits: 1, signDisplay: 'exceptZero'}),
  money(value) {
    if (value == null) return '–';
    const digits = Math.abs(value) >= 1000 ? 0 : 2;
    const amount = value.toLocaleString(LOCALE, {minimumFractionDigits: digits, maximumFractionDigits: digits});
    return dataSet().currency ? `${amount} ${dataSet().currency}` : amount;
  },
  segment: (value) => value == null ? '' : nameOf(value),
};
const NUMBERS = new Set(['count', 'number', 'share', 'change', 'money']);

/** Whether a figure is withheld: with the customers it is of, or marked so. Other figures without a value are not known or don't apply. */
function isWithheld(row, key, kind) {
  return row[key] === null && NUMBERS.has(kind) && (row.customers === null || Boolean(row.withheld?.[key]));
}

/** A figure of a row in words. */
function wordsOf(row, key, kind = 'text') {
  return isWithheld(row, key, kind) ? WITHHELD : format[kind](row[key]);
}

/** Short numbers for axes and labels: 1.4M. */
function short(value) {
  return value.toLocaleString(LOCALE, {notation: 'compact', maximumFractionDigits: 1});
}

// --- The address --------------------------------------------------------------------------------

/** #segment?segment=rfm%3Achampions is the page segment with the choice of a segment. */
function readAddress() {
  const [id, query] = location.hash.slice(1).split('?');
  return {id, choices: Object.fromEntries(new URLSearchParams(query))};
}

function address(id, choices) {
  const query = new URLSearchParams(choices).toString();
  return `#${id}${query ? `?${query}` : ''}`;
}

function page(id, draw) {
  drawers[id] = draw;
}

/**
 * Fills a select with options [value, text, group] and returns what is chosen: the first where the choice isn't offered.
 * A change drops the choices of the selects that depend on it.
 */
function choose(id, key, options, choices, dependent = []) {
  const select = document.querySelector(`select[data-page="${id}"][data-key="${key}"]`);
  const wanted = options.some(([value]) => value === choices[key]) ? choices[key] : options[0]?.[0];
  if (choices[key] !== undefined && choices[key] !== wanted) {
    document.getElementById(`missing-${id}`).textContent += `${choices[key]} is not among the choices of “${select.parentElement.firstChild.textContent.trim()}”. `;
  }
  select.replaceChildren();
  for (const [label, list] of grouped(options, (option) => option[2])) {
    const parent = label ? select.appendChild(Object.assign(document.createElement('optgroup'), {label})) : select;
    parent.append(...list.map(([value, text]) => new Option(text, value, false, value === wanted)));
  }
  select.parentElement.hidden = options.length === 0;
  select.onchange = () => {
    const kept = Object.entries(readAddress().choices).filter(([name]) => !dependent.includes(name));
    location.hash = address(id, {...Object.fromEntries(kept), [key]: select.value});
  };
  return wanted;
}

function segmentOptions(list = rows('segments')) {
  return [...list].sort((one, other) => bySchemeOrder(one.scheme, other.scheme)).map((segment) => [segment.segment_key, segment.name, schemeWords(segment.scheme)]);
}

/** In a documentation site, links to descriptions lead to its data dictionary. */
function linkDocumentation() {
  const dictionary = document.querySelector('meta[name=documentation]').content;
  document.getElementById('documentation').hidden = !dictionary;
  if (!dictionary) return;
  for (const link of document.querySelectorAll('a[href^="#descriptions?mart="]')) {
    link.href = `${dictionary}#${link.hash.split('=')[1].replace('.', '')}`;
  }
}

function render() {
  const {id, choices} = readAddress();
  const shown = document.querySelector('main section:not([hidden])');
  // An address such as #main leads within the page that is shown.
  if (!Object.hasOwn(drawers, id) && shown) return;
  const current = Object.hasOwn(drawers, id) ? id : Object.keys(drawers)[0];
  for (const section of document.querySelectorAll('main section')) section.hidden = section.id !== `page-${current}`;
  for (const link of document.querySelectorAll('nav a')) {
    if (link.hash === `#${current}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  const title = document.getElementById(`title-${current}`);
  write(`missing-${current}`, '');
  drawers[current](choices);
  document.title = `${title.textContent}, customer segments of ${dataSet().dataset}`;
  if (shown && shown.id !== `page-${current}`) {
    title.focus({preventScroll: true});
    scrollTo(0, 0);
  }
}

// --- Charts and tables --------------------------------------------------------------------------

const darkColours = matchMedia('(prefers-color-scheme: dark)');

/**
 * Draws a figure: its chart, its rows as a table and a file, or in words why there is none.
 * columns: [key, label, a format] per column; cells of the format segment link to the segment.
 * isDrawn: whether any of the rows can be drawn; rows that can't are a table all the same.
 */
function figure(id, {option, columns, list, empty, sort, isDrawn = true}) {
  const element = document.getElementById(id);
  const chart = element.querySelector('.chart'), table = element.querySelector('.table');
  const details = element.querySelector('details'), message = element.querySelector('.empty');
  const isEmpty = list.length === 0, hasChart = !isEmpty && isDrawn;
  message.hidden = hasChart;
  message.textContent = hasChart ? '' : empty;
  element.querySelector('.csv').hidden = isEmpty;
  element.querySelector('.csv').onclick = () => download(id, columns, list);
  if (details) details.hidden = isEmpty;
  table.hidden = isEmpty;
  const fill = () => table.replaceChildren(tableOf(columns, list, sort, document.getElementById(`${id}-title`).textContent));
  if (!details || details.open) fill();
  if (details) details.ontoggle = () => { if (details.open) fill(); };
  if (!chart) return;
  chart.hidden = !hasChart;
  if (!hasChart) return;
  charts[id]?.dispose();
  charts[id] = echarts.init(chart, darkColours.matches ? 'dark' : null, {renderer: 'svg', locale: 'EN'});
  chart.setAttribute('role', 'img');
  const text = getComputedStyle(document.body).color;
  charts[id].setOption({
    backgroundColor: 'transparent', animation: false, color: PALETTE,
    aria: {enabled: true, label: {data: {maxCount: 10}}},
    textStyle: {fontFamily: 'system-ui, sans-serif', color: text}, ...option, tooltip: {confine: true, ...option.tooltip},
  });
  widths[id] = chart.clientWidth;
}

function tableOf(columns, list, sort, caption) {
  const table = document.createElement('table');
  table.setAttribute('aria-label', caption);
  const heads = table.createTHead().insertRow();
  let ordered = [...list];
  const body = table.createTBody();
  const arrange = (key, isDescending) => {
    ordered.sort((one, other) => {
      if (one[key] == null || other[key] == null) return (one[key] == null) - (other[key] == null);
      const difference = typeof one[key] === 'number' ? one[key] - other[key] : String(one[key]).localeCompare(String(other[key]));
      return isDescending ? -difference : difference;
    });
    for (const [at, [name]] of columns.entries()) {
      if (name === key) heads.cells[at].setAttribute('aria-sort', isDescending ? 'descending' : 'ascending');
      else heads.cells[at].removeAttribute('aria-sort');
    }
    fillRows();
  };
  const fillRows = () => {
    // More rows than anyone reads would be slow to lay out; the file has all.
    const shown = ordered.slice(0, 500);
    body.replaceChildren(...shown.map((row) => {
      const line = document.createElement('tr');
      for (const [key, , kind] of columns) {
        const cell = line.insertCell();
        const text = wordsOf(row, key, kind);
        if (NUMBERS.has(kind)) cell.className = 'number';
        if (kind === 'date') cell.className = 'date';
        if (kind === 'segment' && segmentsByKey().has(row[key])) {
          cell.append(Object.assign(document.createElement('a'), {href: address('segment', {segment: row[key]}), textContent: text}));
        } else cell.textContent = text;
      }
      return line;
    }));
    if (ordered.length > shown.length) {
      const cell = body.insertRow().insertCell();
      cell.colSpan = columns.length;
      cell.textContent = `The first ${shown.length} of ${ordered.length.toLocaleString(LOCALE)} rows; the CSV file has all.`;
    }
  };
  for (const [key, label, kind] of columns) {
    const head = document.createElement('th');
    head.scope = 'col';
    if (NUMBERS.has(kind)) head.className = 'number';
    const button = Object.assign(document.createElement('button'), {type: 'button', textContent: label});
    button.onclick = () => arrange(key, head.getAttribute('aria-sort') ? head.getAttribute('aria-sort') === 'ascending' : NUMBERS.has(kind));
    head.append(button);
    heads.append(head);
  }
  if (sort) arrange(...sort);
  else fillRows();
  return table;
}

function download(id, columns, list) {
  const cell = (value, kind) => {
    if (value == null) return '';
    if (typeof value === 'number') return String(value);
    // A spreadsheet would take text that begins so for a formula.
    const text = kind === 'segment' ? nameOf(value) : String(value);
    return `"${(/^[=+\-@\t\r\n]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
  };
  const lines = [columns.map(([, label]) => cell(label)), ...list.map((row) => columns.map(([key, , kind]) => isWithheld(row, key, kind) || (kind === 'count' && row[key] == null) ? WITHHELD : cell(row[key], kind)))];
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([`\ufeff${lines.map((line) => line.join(',')).join('\r\n')}\r\n`], {type: 'text/csv'}));
  link.download = `${dataSet().dataset}_${id}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** An interval across a bar: low, high, place. */
function whisker(parameters, api) {
  const [from, y] = api.coord([api.value(0), api.value(2)]), [to] = api.coord([api.value(1), api.value(2)]);
  const style = {stroke: getComputedStyle(document.body).color, lineWidth: 1.4};
  const line = (x1, y1, x2, y2) => ({type: 'line', shape: {x1, y1, x2, y2}, style});
  return {type: 'group', children: [line(from, y, to, y), line(from, y - 5, from, y + 5), line(to, y - 5, to, y + 5)]};
}

/** Text in an element, by its id. */
function write(id, text) {
  document.getElementById(id).textContent = text;
}

/** Tiles of figures: [label, value, small print]. */
function tiles(id, list) {
  document.getElementById(id).replaceChildren(...list.map(([label, value, small]) => {
    const tile = document.createElement('div');
    tile.append(Object.assign(document.createElement('dt'), {textContent: label}));
    const data = Object.assign(document.createElement('dd'), {textContent: value});
    if (small) data.append(Object.assign(document.createElement('small'), {textContent: small}));
    tile.append(data);
    return tile;
  }));
}

function isNarrow() {
  return innerWidth < 600;
}

// Scales of more and less: colours that are told apart without red and green.
const BLUES = () => darkColours.matches ? ['#16324f', '#58a6ff'] : ['#e3eefa', '#0b5cad'];

addEventListener('DOMContentLoaded', () => {
  DATA = JSON.parse(document.getElementById('data').textContent);
  linkDocumentation();
  markWithheld();
  addEventListener('hashchange', render);
  darkColours.addEventListener('change', render);
  let waiting;
  addEventListener('resize', () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      for (const [id, chart] of Object.entries(charts)) {
        const width = chart.getDom().clientWidth;
        if (width && width !== widths[id]) {
          widths[id] = width;
          chart.resize();
        }
      }
    }, 100);
  });
  render();
});
