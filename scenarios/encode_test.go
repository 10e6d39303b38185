package scenarios

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"
)

// anyText draws texts that YAML is fond of misreading.
func anyText() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{
			"yes", "null", "1.30", "~", "0x1f", " lead", "trail ", "a: b", "- a", "#no", "{{seq}}", "a\nb", "a\n\n", "\ttab", "\"", "'", "\\", "%", "@", "!t", "*a", "&a",
			"<b>&amp;</b>", "é", "日本", "\u2028", "\u0085", "\x7f", "😀", "2026-03-09", "12:30", "1e5", ".inf", "=", "|", ">", "?", "[", "]", ",",
		}),
		rapid.StringOf(rapid.RuneFrom([]rune("ab1 :-#'\"\\\n\t{}[],&*!|>%@`é"))),
		rapid.String(),
	)
}

// anyScenario draws a valid, filled scenario.
func anyScenario() *rapid.Generator[*Scenario] {
	return rapid.Custom(func(t *rapid.T) *Scenario {
		over := time.Duration(rapid.Int64Range(int64(time.Second), int64(24*time.Hour)).Draw(t, "over"))
		patience := anyDistribution().Filter(func(d Distribution) bool { return d.Validate() == nil })
		think := patience.Draw(t, "think")
		share := rapid.Float64Range(0, 1).Draw(t, "share")
		s := &Scenario{
			Name: "any", Title: Text{"de": anyText().Draw(t, "title")},
			On:       time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "on"), rapid.Int64Range(0, 999).Draw(t, "ns")).UTC(),
			Arrivals: Arrivals{Total: rapid.Int64Range(1, 1<<32-1).Draw(t, "total"), Over: over, Seed: rapid.Uint64().Draw(t, "seed"), Curve: []Shape{anyShape(over).Draw(t, "shape")}},
			Tenants:  Tenants{List: []Tenant{{Name: "a", Title: anyText().Draw(t, "tenant")}, {Name: "b", Weight: rapid.Float64Range(0.1, 9).Draw(t, "weight")}}},
			Feeders:  map[string]Feeder{"person": {Synthetic: "person"}},
			Hosts:    map[string]string{"login.example.org": "http://127.0.0.1:8090"},
			Journeys: []Journey{{Name: "j", Steps: []Step{
				{Name: "one", URL: "/", Share: &share, Headers: map[string]string{"X-A": "{{seq}}", "X-B": "true"}, Think: &think},
				{
					Name: "two", URL: "/{{x}}", Method: "POST", Body: anyText().Draw(t, "body"), Timeout: anyDuration().Draw(t, "timeout"),
					Extract: []Extract{{Name: "x", JSON: "a.0.b", Created: true}, {Name: "y", Action: anyText().Draw(t, "action") + "a"}}, Checks: []Check{{Status: []int{200, 201}}, {JSON: "s", Equals: anyText().Draw(t, "equals")}},
				},
				{
					Name: "three", URL: "{{y}}", Follow: Follow(rapid.IntRange(0, mostFollowed).Draw(t, "follow")),
					Form: &Form{
						Fields: map[string]string{"f" + anyText().Draw(t, "field"): anyText().Draw(t, "value")},
						Files:  []File{{Field: "f", Size: resource.MustParse(rapid.SampledFrom([]string{"0", "5Mi", "1k", "64Mi"}).Draw(t, "size")), Name: anyText().Draw(t, "file")}},
					},
				},
			}, Cookies: rapid.Bool().Draw(t, "cookies"), Connections: rapid.SampledFrom([]string{"shared", "session"}).Draw(t, "connections"), Impatience: &Impatience{Patience: patience.Draw(t, "patience"), Reload: 0.25, ComeBack: 0.25, GiveUp: 0.5, After: &think}}},
			SLOs: []SLO{{Name: anyText().Draw(t, "slo"), Percentile: 99.9, Within: time.Second, Window: 3 * time.Minute}},
		}
		filled, err := s.WithDefaults()
		if err != nil {
			t.Fatal(err)
		}
		return filled
	})
}

// TestWrittenScenariosLoadToTheSame: loading what Marshal writes gives the same, text for text and number for number.
func TestWrittenScenariosLoadToTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyScenario().Draw(t, "scenario")
		if err := s.Validate(); err != nil {
			t.Skip(err) // a shape without arrivals, say
		}
		data, err := Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse("written.yaml", data, nil)
		if err != nil {
			t.Fatalf("%v in\n%s", err, data)
		}
		if !reflect.DeepEqual(s, back) {
			a, _ := json.Marshal(s)
			b, _ := json.Marshal(back)
			t.Fatalf("differs:\n%s\n%s\nwritten as\n%s", a, b, data)
		}
	})
}

// TestWrittenPlatformsLoadToTheSame compares as JSON: quantities of one value may differ in what they remember.
func TestWrittenPlatformsLoadToTheSame(t *testing.T) {
	platforms := map[string][]byte{"base": []byte(basePlatform)}
	for _, e := range Library() {
		platforms[e.Name] = e.PlatformYAML
	}
	for name, text := range platforms {
		p, err := ParsePlatform(name, text)
		if err != nil {
			t.Fatal(err)
		}
		data := must(MarshalPlatform(p))
		back, err := ParsePlatform("written.yaml", data)
		if err != nil {
			t.Fatalf("%v in\n%s", err, data)
		}
		if a, b := must(json.Marshal(p)), must(json.Marshal(back)); string(a) != string(b) {
			t.Errorf("%s differs:\n%s\n%s", name, a, b)
		}
	}
}

// TestJSONKeepsEverything: the run record holds scenario and platform as JSON.
func TestJSONKeepsEverything(t *testing.T) {
	for _, e := range Library() {
		s, p := must(e.Scenario()), must(e.Platform())
		var s2 Scenario
		var p2 Platform
		if err := json.Unmarshal(must(json.Marshal(s)), &s2); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(must(json.Marshal(p)), &p2); err != nil {
			t.Fatal(err)
		}
		if string(must(Marshal(s))) != string(must(Marshal(&s2))) || string(must(MarshalPlatform(p))) != string(must(MarshalPlatform(&p2))) {
			t.Errorf("%s is not the same after JSON", e.Name)
		}
	}
}

func TestBriefDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 18 * time.Minute: "18m", 2 * time.Hour: "2h", 90 * time.Second: "1m30s", 150 * time.Millisecond: "150ms",
		time.Hour + time.Second: "1h0m1s", -time.Minute: "-1m", 10 * time.Minute: "10m", 20 * time.Hour: "20h",
	} {
		if got := brief(d); got != want {
			t.Errorf("%s is written %s, want %s", d, got, want)
		}
		if back, err := time.ParseDuration(brief(d)); err != nil || back != d {
			t.Errorf("%s reads back as %s, %v", brief(d), back, err)
		}
	}
}
