(function () {
  'use strict';
  var drawn = new Map();
  var formats = function (lang) {
    var plain = new Intl.NumberFormat(lang, { maximumSignificantDigits: 4 });
    var one = new Intl.NumberFormat(lang, { maximumSignificantDigits: 3 });
    return {
      count: function (v) { return plain.format(v); },
      percent: function (v) { return one.format(v) + '\u00a0%'; },
      seconds: function (v) {
        if (v !== 0 && Math.abs(v) < 1) { return one.format(v * 1000) + '\u00a0ms'; }
        return one.format(v) + '\u00a0s';
      },
      '': function (v) { return v; }
    };
  };

  // finish adds to an option what JSON cannot carry: how numbers are written, and room for the legend.
  function finish(d, lang, width) {
    var f = formats(lang), o = d.option, time = d.every > 0, every = width < 450 ? 2 * d.every : d.every;
    o.xAxis.forEach(function (axis) {
      axis.nameTextStyle = { color: '#1f2933', fontSize: 13 };
      if (time) {
        axis.axisLabel.interval = function (i) { return i % every === 0; };
        axis.axisTick = { interval: axis.axisLabel.interval };
      } else if (d.x && axis.axisLabel) { axis.axisLabel.formatter = f[d.x]; }
      if (axis.type === 'category') { axis.boundaryGap = false; }
    });
    o.graphic = [];
    o.yAxis.forEach(function (axis, i) {
      if (axis.name) {
        var label = { type: 'text', top: 0, style: { text: axis.name, fill: '#1f2933', fontSize: 13, fontFamily: getComputedStyle(document.body).fontFamily } };
        label[i === 0 ? 'left' : 'right'] = 0;
        o.graphic.push(label);
        axis.name = '';
      }
      if (d.y[i]) { axis.axisLabel.formatter = f[d.y[i]]; }
      if (axis.max && axis.type === 'value') { axis.interval = axis.max / 4; }
    });
    o.series.forEach(function (s) {
      var unit = d.y[s.yAxisIndex || 0] || d.x;
      s.tooltip = s.tooltip || {};
      s.tooltip.valueFormatter = function (v) {
        if (Array.isArray(v)) { return f[d.x || ''](v[0]) + ' / ' + f[unit](v[1]); }
        return v === null || v === undefined ? '–' : f[unit](v);
      };
    });
    o.tooltip.confine = true;
    o.textStyle = { fontFamily: getComputedStyle(document.body).fontFamily };
    if (!o.legend.data && o.series.some(function (s) { return s.stack; })) {
      o.legend.data = o.series.slice(1).map(function (s) { return s.name; }); // not the invisible foot of a band
    }
    var names = o.legend.data || o.series.map(function (s) { return s.name; });
    var rows = 1, used = 0;
    names.forEach(function (name) {
      var w = 48 + 7.4 * name.length;
      if (used > 0 && used + w > width) { rows += 1; used = 0; }
      used += w;
    });
    o.grid[0].top = (o.graphic.length > 0 ? 42 : 14) + 25 * rows;
    o.graphic.forEach(function (label) { label.top = 8 + 25 * rows; });
    if (time && o.yAxis.length === 1) { o.grid[0].top += 14; } // room for a mark's label, in both panels alike
    o.grid[0].bottom = 30;
    return o;
  }

  function draw(version) {
    version.querySelectorAll('script.data').forEach(function (script) {
      var box = document.getElementById(script.dataset.for);
      if (drawn.has(box)) { return; }
      var chart = echarts.init(box, null, { renderer: 'svg' });
      chart.setOption(finish(JSON.parse(script.textContent), version.lang, box.clientWidth));
      var svg = box.querySelector('svg');
      if (svg) { svg.setAttribute('aria-hidden', 'true'); svg.setAttribute('focusable', 'false'); }
      drawn.set(box, chart);
    });
  }

  function resize() {
    drawn.forEach(function (chart, box) { if (box.clientWidth > 0) { chart.resize(); } });
  }

  function show(lang, focus) {
    document.documentElement.lang = lang;
    document.querySelectorAll('.version').forEach(function (version) {
      version.hidden = version.lang !== lang;
      if (!version.hidden) {
        document.title = version.dataset.title;
        draw(version);
        resize();
        if (focus) { version.querySelector('button.lang[data-lang="' + lang + '"]').focus(); }
      }
    });
  }

  function sortBy(table, column, button) {
    var th = button.closest('th'), body = table.tBodies[0];
    var up = th.getAttribute('aria-sort') === 'descending' || (!th.hasAttribute('aria-sort') && column === 0);
    table.querySelectorAll('th[aria-sort]').forEach(function (other) { other.removeAttribute('aria-sort'); });
    th.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    var value = function (row) { var cell = row.cells[column]; return cell.dataset.v || cell.textContent; };
    Array.from(body.rows).map(function (row, i) { return { row: row, v: value(row), i: i }; }).sort(function (a, b) {
      var order = column === 0 ? a.v.localeCompare(b.v, document.documentElement.lang, { numeric: true }) : parseFloat(a.v) - parseFloat(b.v);
      return (up ? order : -order) || a.i - b.i;
    }).forEach(function (entry) { body.appendChild(entry.row); });
  }

  document.querySelectorAll('button.lang').forEach(function (button) {
    button.addEventListener('click', function () { show(button.dataset.lang, true); });
  });
  document.querySelectorAll('table.sortable').forEach(function (table) {
    Array.from(table.tHead.rows[0].cells).forEach(function (th, column) {
      var button = th.querySelector('button');
      button.addEventListener('click', function () { sortBy(table, column, button); });
    });
  });
  document.querySelectorAll('button[data-print]').forEach(function (button) {
    button.addEventListener('click', function () {
      var all = button.dataset.print === 'all', root = document.documentElement;
      root.classList.toggle('print-all', all);
      if (all) { drawn.forEach(function (chart, box) { if (box.clientWidth > 0) { chart.resize({ width: 660, height: 300 }); } }); }
      window.print();
      root.classList.remove('print-all');
      drawn.forEach(function (chart, box) { if (box.clientWidth > 0) { chart.resize({ width: 'auto', height: 'auto' }); } });
    });
  });
  window.addEventListener('resize', resize);
  show(document.documentElement.lang, false);
}());
