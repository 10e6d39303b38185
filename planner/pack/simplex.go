package pack

// tableau is the state of a revised simplex on the master: rows are the kinds of pods (what the columns hold and what is
// without a node are together at least the demand) and the kinds of nodes (no more columns than nodes). The basis begins
// with everything without a node, so there is no first phase. The inverse is kept as it is: a few dozen rows.
type tableau struct {
	m       *master
	rows    int
	inverse [][]float64
	cost    []float64 // of the basis
	value   []float64 // of the basis
}

func newTableau(m *master, supply []Supply) *tableau {
	t := &tableau{m: m, rows: len(m.kinds) + len(m.nodes)}
	t.inverse = make([][]float64, t.rows)
	t.cost, t.value = make([]float64, t.rows), make([]float64, t.rows)
	for i := range t.inverse {
		t.inverse[i] = make([]float64, t.rows)
		t.inverse[i][i] = 1
		if i < len(m.kinds) {
			t.cost[i] = m.weights[i]
			t.value[i], _ = m.kinds[i].Count.Float64()
		} else {
			t.value[i] = float64(supply[i-len(m.kinds)].Count)
		}
	}
	return t
}

// duals are the price of a pod of each kind and what a node of each kind is worth.
func (t *tableau) duals() (prices, worth []float64) {
	y := make([]float64, t.rows)
	for i, c := range t.cost {
		if c == 0 {
			continue
		}
		for k, b := range t.inverse[i] {
			y[k] += c * b
		}
	}
	kinds := len(t.m.kinds)
	for _, v := range y[kinds:] {
		worth = append(worth, -v)
	}
	return y[:kinds], worth
}

// tiny is what floating point may leave of nothing.
const tiny = 1e-9

// settle lets in what needs no knapsack: slack, pods without a node, and mixtures seen before. False where none helps.
func (t *tableau) settle(prices, worth []float64) bool {
	kinds := len(t.m.kinds)
	for k, y := range prices {
		unit := make([]float64, t.rows)
		switch {
		case y < -tiny:
			unit[k] = -1
			return t.enter(unit, 0)
		case y > t.m.weights[k]+tiny:
			unit[k] = 1
			return t.enter(unit, t.m.weights[k])
		}
	}
	for j, v := range worth {
		if v < -tiny {
			unit := make([]float64, t.rows)
			unit[kinds+j] = 1
			return t.enter(unit, 0)
		}
	}
	best, gain := -1, tiny
	for i, c := range t.m.columns {
		g := -worth[c.node]
		for k, n := range c.count {
			g += float64(n) * prices[k]
		}
		if g > gain {
			best, gain = i, g
		}
	}
	return best >= 0 && t.enter(t.of(t.m.columns[best]), 0)
}

// of is a mixture as a column of the LP.
func (t *tableau) of(c column) []float64 {
	out := make([]float64, t.rows)
	for k, n := range c.count {
		out[k] = float64(n)
	}
	out[len(t.m.kinds)+c.node] = 1
	return out
}

// enter brings a column into the basis for the one that first becomes nothing; false where nothing does.
func (t *tableau) enter(column []float64, cost float64) bool {
	d := make([]float64, t.rows)
	for i, row := range t.inverse {
		for k, b := range row {
			d[i] += b * column[k]
		}
	}
	leave, step := -1, 0.0
	for i, x := range d {
		if x <= tiny {
			continue
		}
		if s := max(0, t.value[i]) / x; leave < 0 || s < step || s == step && x > d[leave] {
			leave, step = i, s
		}
	}
	if leave < 0 {
		return false
	}
	pivot := t.inverse[leave]
	for k := range pivot {
		pivot[k] /= d[leave]
	}
	for i, row := range t.inverse {
		if i == leave || d[i] == 0 {
			continue
		}
		t.value[i] -= d[i] * step
		for k := range row {
			row[k] -= d[i] * pivot[k]
		}
	}
	t.value[leave], t.cost[leave] = step, cost
	return true
}
