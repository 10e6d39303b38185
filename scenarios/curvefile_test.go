package scenarios

import (
	"strings"
	"testing"
	"time"
)

func TestCurveFile(t *testing.T) {
	const over = 10 * time.Second
	for _, test := range []struct{ name, text, want string }{
		{"whole", "curve:\n  - {kind: constant, weight: 3}\n  - {kind: spike, at: 5s, width: 1s}\n", ""},
		{"a shape that is none", "curve:\n  - kind: spyke\n", `c.yaml:2:11: curve[0].kind: there is no kind of shape "spyke", did you mean "spike"?`},
		{"after the end", "curve:\n  - kind: spike\n    at: 11s\n    width: 1s\n", "c.yaml:3:9: curve[0].at: is 11s, must be inside the surge, 0s to 10s"},
		{"no shape", "curve: []\n", "c.yaml:1:1: curve: has no shape, at least one is needed"},
		{"another field", "curves: []\n", `c.yaml:1:1: unknown field "curves", did you mean "curve"?`},
		{"nothing", "", "c.yaml:1:1: the file is empty"},
	} {
		t.Run(test.name, func(t *testing.T) {
			shapes, err := ParseCurve("c.yaml", []byte(test.text), over)
			if test.want == "" {
				if err != nil || len(shapes) != 2 || shapes[1].At != 5*time.Second {
					t.Fatalf("got %+v, %v", shapes, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %s", err, test.want)
			}
		})
	}
}
