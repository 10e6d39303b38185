package burner

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

func environment(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func TestFromEnvironment(t *testing.T) {
	got, err := FromEnvironment(environment(map[string]string{
		"ANSTURM_LISTEN": "127.19.0.1:8080", "ANSTURM_TENANT": "adorf", "ANSTURM_BURN": "3ms",
		"ANSTURM_STEPS": `{"submit": {"cpu": "20ms", "accepts": true}, "form": {"cpu": "5ms"}}`,
	}))
	want := Config{
		Listen: "127.19.0.1:8080", Tenant: "adorf", Otherwise: 3 * time.Millisecond,
		Steps: map[string]Step{"submit": {20 * time.Millisecond, true}, "form": {5 * time.Millisecond, false}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, wanted %+v", got, err, want)
	}
	for name, value := range map[string]string{
		"ANSTURM_LISTEN": "", "ANSTURM_BURN": "long", "ANSTURM_STEPS": `{"form": {"cpu": "long"}}`,
	} {
		values := map[string]string{"ANSTURM_LISTEN": "127.19.0.1:8080", name: value}
		if _, err := FromEnvironment(environment(values)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%q: error is %v, wanted one that names it", name, value, err)
		}
	}
}

// TestAnswersAsATenant: a step is known by its header, else by the path; one that accepts gives out an id.
func TestAnswersAsATenant(t *testing.T) {
	c := Config{Tenant: "adorf", Steps: map[string]Step{"submit": {0, true}, "form": {}}}
	for _, ask := range []struct {
		path, step string
		code       int
		body       string
	}{
		{"/submit", "", http.StatusCreated, `"id":"adorf-7"`},
		{"/x", "submit", http.StatusCreated, `"id":"adorf-7"`},
		{"/form/1", "", http.StatusOK, "<h1>Antrag</h1>"},
		{"/unknown", "", http.StatusOK, "<h1>Antrag</h1>"},
	} {
		r := httptest.NewRequest(http.MethodPost, ask.path, nil)
		r.Header.Set("Idempotency-Key", "7")
		r.Header.Set("Ansturm-Step", ask.step)
		w := httptest.NewRecorder()
		c.handler().ServeHTTP(w, r)
		if w.Code != ask.code || !strings.Contains(w.Body.String(), ask.body) {
			t.Errorf("%s, step %q: %d %s, wanted %d with %s", ask.path, ask.step, w.Code, w.Body, ask.code, ask.body)
		}
	}
}

func TestBurnBurns(t *testing.T) {
	busy := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := busy()
	Burn(50 * time.Millisecond)
	if used := busy() - before; used < 40*time.Millisecond { // the two clocks are not one
		t.Errorf("%s of processor time used, wanted 50 ms", used)
	}
}
