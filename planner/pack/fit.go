package pack

// Fit assigns pods to nodes, using the nodes in their order: assignment[i] is pod i's node or −1, left the pods that
// found none. Spreading is no constraint here.
func Fit(nodes []Node, pods []Pod) (assignment, left []int) {
	assignment = make([]int, len(pods))
	for i := range assignment {
		assignment[i] = -1
	}
	c := NewCluster(nodes)
	for i, p := range pods {
		for n := range nodes {
			if c.fits(n, p) {
				c.Place(n, p)
				assignment[i] = n
				break
			}
		}
		if assignment[i] < 0 {
			left = append(left, i)
		}
	}
	return assignment, left
}
