package lab_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/ansturm/ansturm/lab"
	"github.com/ansturm/ansturm/scenarios"
)

// A platform of one node and one tenant is served, fired at once, and asked what it counted.
func ExampleServe() {
	work := 100 * time.Millisecond
	platform := &scenarios.Platform{
		Name: "tiny",
		Pools: []scenarios.NodePool{{Name: "vm", Count: 1, Capacity: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("8Gi"),
		}}},
		Workloads: []scenarios.Workload{{
			Name: "antrag", Replicas: 1,
			Steps: map[string]scenarios.Work{"submit": {CPU: scenarios.Distribution{Fixed: &work}, Accepts: true}},
		}},
	}
	scenario := &scenarios.Scenario{
		Name:     "tiny",
		Tenants:  scenarios.Tenants{List: []scenarios.Tenant{{Name: "musterstadt"}}},
		Journeys: []scenarios.Journey{{Name: "apply", Steps: []scenarios.Step{{Name: "submit"}}}},
	}

	ctx, cancel := context.WithCancel(context.Background())
	err := lab.Serve(ctx, lab.Config{Platform: platform, Scenario: scenario, Speed: 10}, func(e lab.Endpoints) {
		go func() {
			defer cancel()
			client := lab.Dial(e.Control)
			if err := client.Begin(ctx, time.Now()); err != nil {
				fmt.Println(err)
				return
			}
			shot, _ := http.NewRequestWithContext(ctx, http.MethodPost, e.Steps["submit"], nil)
			shot.Header.Set("Idempotency-Key", "42")
			answer, err := http.DefaultClient.Do(shot)
			if err != nil {
				fmt.Println(err)
				return
			}
			_ = answer.Body.Close()
			account, err := client.Finish(ctx)
			fmt.Println(answer.Status, account.Accepted.ToArray(), err)
		}()
	})
	fmt.Println(err)
	// Output:
	// 201 Created [42] <nil>
	// <nil>
}
