package scenarios_test

import (
	"fmt"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

func ExampleParse() {
	_, err := scenarios.Parse("surge.yaml", []byte("name: surge\narrivals: {totl: 600000, over: 18m}\ntenants: {count: 150}\njourneys: []\n"), nil)
	fmt.Println(err)
	// Output:
	// surge.yaml:2:1: arrivals.total: is missing
	// surge.yaml:2:12: unknown field "totl", did you mean "total"?
}

func ExampleFind() {
	s, err := scenarios.Find("briefwahl")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d arrivals in %s, %d tenants\n", s.Arrivals.Total, s.Arrivals.Over, len(s.Tenants.List))
	// Output:
	// 600000 arrivals in 18m0s, 150 tenants
}

func ExampleCurve_Quantile() {
	s := scenarios.Scenario{Arrivals: scenarios.Arrivals{
		Total: 1000, Over: 10 * time.Second, Curve: []scenarios.Shape{{Kind: "ramp", Start: 0, End: 1}},
	}}
	c, err := s.Curve()
	if err != nil {
		fmt.Println(err)
		return
	}
	at, rate := c.Peak()
	fmt.Printf("a quarter by %s, half by %s, at most %.0f/s, at %s\n", c.Quantile(0.25), c.Quantile(0.5), rate, at)
	// Output:
	// a quarter by 5s, half by 7.071067812s, at most 200/s, at 10s
}
