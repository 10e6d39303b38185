package planner

import "gonum.org/v1/gonum/stat/distuv"

// confidence of the bound on the risk.
const confidence = 0.95

// upperBound is the one-sided upper Clopper–Pearson bound on a probability of which broken of worlds were seen: the
// 0.95-quantile of the Beta(broken+1, worlds−broken) distribution (Clopper and Pearson 1934).
func upperBound(broken, worlds int) float64 {
	switch {
	case worlds <= 0 || broken >= worlds:
		return 1
	case broken < 0:
		broken = 0
	}
	return distuv.Beta{Alpha: float64(broken + 1), Beta: float64(worlds - broken)}.Quantile(confidence)
}

// mostBroken is the largest number of broken worlds at which the bound is still at most delta; −1 when even none is too
// few worlds to say so.
func mostBroken(worlds int, delta float64) int {
	most := -1
	for most+1 < worlds && upperBound(most+1, worlds) <= delta {
		most++
	}
	return most
}

func riskOf(delta float64, worlds, broken int) Risk {
	return Risk{Delta: delta, Worlds: worlds, Broken: broken, Upper: upperBound(broken, worlds)}
}
