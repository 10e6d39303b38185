package scenarios

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// base is a scenario in which every table test below changes one thing.
const base = `name: test
arrivals:
  total: 100
  over: 1m
  curve:
    - kind: ramp
      start: 1
      end: 3
tenants:
  list:
    - name: a
    - {name: b, weight: 2}
journeys:
  - name: j
    steps:
      - name: one
        url: /one
      - {name: two, url: /two, method: POST, think: {fixed: 2s}}
    impatience:
      patience: {fixed: 8s}
      reload: 0.5
      comeBack: 0
      giveUp: 0.5
slos:
  - {step: two, percentile: 95, within: 3s, errors: 0.01}
`

// TestErrorsNamePlaceAndRemedy is read as documentation: what a user sees for each mistake.
func TestErrorsNamePlaceAndRemedy(t *testing.T) {
	files := fstest.MapFS{
		"towns.csv":  {Data: []byte("town;people\nBad Tölz;19000\nWörth;many\n")},
		"empty.csv":  {Data: nil},
		"ragged.csv": {Data: []byte("a,b\n1\n")},
		"header.csv": {Data: []byte("a,b\n")},
	}
	const list = "  list:\n    - name: a\n    - {name: b, weight: 2}\n"
	for _, test := range []struct{ name, old, new, want string }{
		{
			"unknown field", "tenants:", "tenannts:",
			"s.yaml:1:1: tenants: is missing\n" + `s.yaml:9:1: unknown field "tenannts", did you mean "tenants"?`,
		},
		{
			"unknown field without a neighbour", "over: 1m", "over: 1m\n  zzz: 1",
			`s.yaml:5:3: unknown field "zzz", known here are total, over, process, seed, curve`,
		},
		{
			"two unknown fields", "url: /one", "ulr: /one\n        sahre: 1",
			"s.yaml:16:9: journeys[0].steps[0].url: is missing\n" + `s.yaml:17:9: unknown field "ulr", did you mean "url"?` + "\n" + `s.yaml:18:9: unknown field "sahre", did you mean "share"?`,
		},
		{
			"field twice", "over: 1m", "over: 1m\n  over: 2m",
			`s.yaml:5:3: mapping key "over" already defined at [4:3]`,
		},
		{"total 0", "total: 100", "total: 0", "s.yaml:3:10: arrivals.total: is 0, must be 1 to 4294967295"},
		{"total too large", "total: 100", "total: 4294967296", "s.yaml:3:10: arrivals.total: is 4294967296, must be 1 to 4294967295"},
		{"total with commas", "total: 100", "total: 600,000", `s.yaml:3:10: arrivals.total: is "600,000", must be a whole number of at most 64 bits`},
		{"total missing", "  total: 100\n", "", "s.yaml:2:1: arrivals.total: is missing"},
		{"no unit", "over: 1m", "over: 60", "s.yaml:4:9: arrivals.over: is 60, must be a duration with its unit, like 90s, 18m or 1h30m"},
		{"too long", "over: 1m", "over: 3000h", "s.yaml:4:9: arrivals.over: is 3000h, must be above 0 and at most 2160h (90 days)"},
		{
			"a list for a group", "arrivals:\n", "arrivals: [1]\nx:\n",
			"s.yaml:2:11: arrivals: is a list, must be a group of fields: total, over, process, seed, curve\n" +
				`s.yaml:3:1: unknown field "x", known here are name, title, description, on, arrivals, tenants, feeders, hosts, journeys, slos`,
		},
		{"negative rate", "start: 1", "start: -1", "s.yaml:7:14: arrivals.curve[0].start: is -1, a rate must be 0 or 1e-9 to 1e9; only its relation to the others counts"},
		{"negative weight", "end: 3", "end: 3\n      weight: -2", "s.yaml:9:15: arrivals.curve[0].weight: is -2, must be 1e-9 to 1e9"},
		{"a tenant of no weight", "weight: 2}", "weight: -2}", "s.yaml:12:25: tenants.list[1].weight: is -2, must be above 0 (and at most 1e15)"},
		{"a curve of nothing", "start: 1\n      end: 3", "start: 0", "s.yaml:6:7: arrivals.curve[0]: the shape ramp has no arrivals between 0s and 1m"},
		{"unknown kind", "kind: ramp", "kind: rmap", `s.yaml:6:13: arrivals.curve[0].kind: there is no kind of shape "rmap", did you mean "ramp"?`},
		{"a field its kind does not read", "end: 3", "end: 3\n      width: 2s", "s.yaml:9:14: arrivals.curve[0].width: is not read by the shape ramp; it reads start, end"},
		{
			"points backwards", "kind: ramp\n      start: 1\n      end: 3", "kind: points\n      points: [{at: 9s, rate: 1}, {at: 3s, rate: 1}]",
			"s.yaml:7:40: arrivals.curve[0].points[1].at: is 3s, before the point above it, 9s: points go forward in time",
		},
		{"tenant twice", "name: b, weight", "name: a, weight", `s.yaml:12:14: tenants.list[1].name: "a" is there twice, names must differ`},
		{"tenant not a label", "- name: a", "- name: Bad Tölz", `s.yaml:11:13: tenants.list[0].name: is "Bad Tölz", must be lower-case letters, digits and inner hyphens, at most 63 (a DNS label)`},
		{"no tenants", list, "  {}\n", "s.yaml:9:1: tenants: nobody comes from anywhere: write a list, a count, or a population table"},
		{"two kinds of tenants", list, list + "  count: 3\n", "s.yaml:9:1: tenants: write one of list, count and population, here are 2"},
		{
			"missing tenant file", list, "  population: {file: twons.csv, name: town, weight: people}\n",
			"s.yaml:10:22: tenants.population.file: there is no file twons.csv beside the scenario",
		},
		{
			"file outside", list, "  population: {file: ../towns.csv, name: town, weight: people}\n",
			"s.yaml:10:22: tenants.population.file: ../towns.csv is elsewhere: a CSV lies beside the scenario or below",
		},
		{
			"missing column", list, "  population: {file: towns.csv, name: twon, weight: people}\n",
			`s.yaml:10:39: tenants.population.name: no column "twon" in towns.csv, did you mean "town"?`,
		},
		{
			"bad weight in a table", list, "  population: {file: towns.csv, name: town, weight: people}\n",
			`towns.csv:3:8: people: is "many", must be a number above 0, without separators`,
		},
		{
			"ragged table", list, "  population: {file: ragged.csv, name: a, weight: b}\n",
			"s.yaml:10:22: tenants.population.file: ragged.csv:2:1: wrong number of fields",
		},
		{"feeder without rows", "journeys:", "feeders:\n  f: {csv: header.csv}\njourneys:", "s.yaml:14:12: feeders.f.csv: header.csv has a header but no row"},
		{"feeder of an empty file", "journeys:", "feeders:\n  f: {csv: empty.csv}\njourneys:", "s.yaml:14:12: feeders.f.csv: empty.csv:1:1: the file is empty, a header line is needed"},
		{"duplicate step", "name: two", "name: one", "s.yaml:18:16: journeys[0].steps[1].name: \"one\" is there twice, names must differ\n" +
			`s.yaml:25:12: slos[0].step: there is no step "two", there are: one, one`},
		{
			"steps that all may skip", "url: /one\n      - {name: two,", "url: /one\n        share: 0.1\n      - {share: 0.2, name: two,",
			"s.yaml:15:5: journeys[0].steps: every step has a share below 1, so that some would come and do nothing: one step must be for all",
		},
		{"bad url", "url: /one", "url: one", `s.yaml:17:14: journeys[0].steps[0].url: is "one", must be a path like /antrag or begin with http:// or https://`},
		{"bad method", "POST", "PSOT", `s.yaml:18:40: journeys[0].steps[1].method: is "PSOT", must be one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS`},
		{"connections of a kind that there is not", "  - name: j\n", "  - name: j\n    connections: own\n", `s.yaml:15:18: journeys[0].connections: is "own", must be shared or session`},
		{"too many redirects", "url: /one", "url: /one\n        follow: 51", "s.yaml:18:17: journeys[0].steps[0].follow: is 51, must be true, false, or how many redirects at most, up to 50"},
		{"redirects in words", "url: /one", "url: /one\n        follow: ten", `s.yaml:18:17: journeys[0].steps[0].follow: is "ten", must be true, false, or how many redirects at most, up to 50`},
		{"a form that is got", "method: POST,", "method: GET, form: {fields: {a: b}},", "s.yaml:18:40: journeys[0].steps[1].method: is GET, which sends no body; for the form it must be POST, PUT, PATCH or DELETE"},
		{"a form and a body", "method: POST,", "body: x, form: {fields: {a: b}},", "s.yaml:18:41: journeys[0].steps[1].form: is there beside a body: a step has one of them"},
		{"a form with a type", "method: POST,", "headers: {content-type: text/plain}, form: {fields: {a: b}},", "s.yaml:18:56: journeys[0].steps[1].headers.content-type: is set by the form"},
		{"a form of nothing", "method: POST,", "form: {},", "s.yaml:18:32: journeys[0].steps[1].form: is empty: write fields or files"},
		{"a file without a field", "method: POST,", "form: {files: [{size: 5Mi}]},", "s.yaml:18:47: journeys[0].steps[1].form.files[0].field: is missing"},
		{"a file that is not there", "method: POST,", "form: {files: [{field: f, file: scan.pdf}]},", "s.yaml:18:64: journeys[0].steps[1].form.files[0].file: there is no file scan.pdf beside the scenario"},
		{"a file elsewhere", "method: POST,", "form: {files: [{field: f, file: /etc/passwd}]},", "s.yaml:18:64: journeys[0].steps[1].form.files[0].file: /etc/passwd is elsewhere: a file lies beside the scenario or below"},
		{"a file that is too large", "method: POST,", "form: {files: [{field: f, size: 5Gi}]},", "s.yaml:18:64: journeys[0].steps[1].form.files[0].size: is 5Gi, must be 0 to 64Mi"},
		{"a file of two kinds", "method: POST,", "form: {files: [{field: f, size: 5, file: towns.csv}]},", "s.yaml:18:47: journeys[0].steps[1].form.files[0]: write either file (one beside the scenario) or size (one made up)"},
		{"two sources", "url: /one", "url: /one\n        extract: [{name: a, field: b, action: c}]", "s.yaml:18:19: journeys[0].steps[0].extract[0]: write one of json, header, cookie, regexp, field, action and link, here are 2"},
		{"a host with a path", "journeys:", "hosts: {idp: 'http://127.0.0.1:1/realm'}\njourneys:", `s.yaml:13:14: hosts.idp: is "http://127.0.0.1:1/realm", must be an address like http://127.0.0.1:8090, without a path`},
		{"a host that is a URL", "journeys:", "hosts: {'http://idp': 'http://127.0.0.1:1'}\njourneys:", `s.yaml:13:23: hosts.http://idp: "http://idp" is no host name, write it as it stands in a URL, like login.example.org`},
		{"two distributions", "{fixed: 2s}", "{fixed: 2s, exponential: 1s}", "s.yaml:18:46: journeys[0].steps[1].think: a distribution has exactly one form (fixed, uniform, exponential or lognormal), here are 2"},
		{"reactions that do not sum up", "giveUp: 0.5", "giveUp: 0.6", "s.yaml:19:5: journeys[0].impatience: reload, comeBack and giveUp sum to 1.1, must sum to 1"},
		{"unknown SLO step", "{step: two", "{step: tow", `s.yaml:25:12: slos[0].step: there is no step "tow", did you mean "two"?`},
		{"a window of half a minute", "errors: 0.01", "errors: 0.01, window: 30s", "s.yaml:25:67: slos[0].window: is 30s, must be whole minutes"},
		{"a percentile as a share", "percentile: 95", "percentile: 100", "s.yaml:25:29: slos[0].percentile: is 100, must be above 0 and below 100, like 95"},
		{"not YAML", "name: test", "name: [", "s.yaml:1:7: sequence end token ']' not found"},
		{"half a number", "total: 100", "total: 1.5", "s.yaml:3:10: arrivals.total: is 1.5, must be a whole number of at most 64 bits"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !strings.Contains(base, test.old) {
				t.Fatalf("the base has no %q", test.old)
			}
			_, err := Parse("s.yaml", []byte(strings.Replace(base, test.old, test.new, 1)), files)
			if err == nil {
				t.Fatalf("no error, want:\n%s", test.want)
			}
			if err.Error() != test.want {
				t.Errorf("error:\n%s\nwant:\n%s", err, test.want)
			}
		})
	}
}

func TestDefaultsAreFilledIn(t *testing.T) {
	s, err := Parse("s.yaml", []byte(base), nil)
	if err != nil {
		t.Fatal(err)
	}
	one, two := s.Journeys[0].Steps[0], s.Journeys[0].Steps[1]
	switch {
	case s.Arrivals.Process != "poisson", s.Arrivals.Curve[0].Weight != 1:
		t.Errorf("arrivals: %+v", s.Arrivals)
	case s.Tenants.List[0].Weight != 1, s.Tenants.List[0].Title != "a":
		t.Errorf("tenants: %+v", s.Tenants)
	case one.Method != "GET", two.Method != "POST", *one.Share != 1, one.Timeout != time.Minute:
		t.Errorf("steps: %+v %+v", one, two)
	case s.Journeys[0].Weight != 1, s.Journeys[0].Impatience.Most != 3:
		t.Errorf("journey: %+v", s.Journeys[0])
	case s.SLOs[0].Tenant != "each", s.SLOs[0].Least != 20:
		t.Errorf("SLO: %+v", s.SLOs[0])
	}
	if steps := s.AllSteps(); len(steps) != 2 || steps[1].Name != "two" || s.StepName(1) != "two" || s.StepName(2) != "" || s.StepName(-1) != "" {
		t.Errorf("steps: %+v", steps)
	}
	if i, found := s.TenantIndex("b"); i != 1 || !found {
		t.Errorf("tenant b is %d, %v", i, found)
	}
	if err := s.Validate(); err != nil {
		t.Errorf("a loaded scenario does not validate: %v", err)
	}
}

func TestPopulationBecomesLabels(t *testing.T) {
	files := fstest.MapFS{"t.csv": {Data: []byte("\ufeffGemeinde;Einwohner\nBad Tölz;19000\n\"Neustadt a.d. Waldnaab, St\";5800\nNeustadt;3\nNeustadt;4\nWörth a. Main;1\nGroß-Gerau;2\nłódź 東京;9\n東京;8\n")}}
	text := strings.Replace(base, "  list:\n    - name: a\n    - {name: b, weight: 2}\n", "  population: {file: t.csv, name: Gemeinde, weight: Einwohner}\n", 1)
	s, err := Parse("s.yaml", []byte(text), files)
	if err != nil {
		t.Fatal(err)
	}
	want := []Tenant{
		{"bad-toelz", "Bad Tölz", 19000},
		{"neustadt-a-d-waldnaab-st", "Neustadt a.d. Waldnaab, St", 5800},
		{"neustadt", "Neustadt", 3},
		{"neustadt-2", "Neustadt", 4},
		{"woerth-a-main", "Wörth a. Main", 1},
		{"gross-gerau", "Groß-Gerau", 2},
		{"lodz", "łódź 東京", 9},
		{"tenant", "東京", 8},
	}
	if len(s.Tenants.List) != len(want) || s.Tenants.Population != nil {
		t.Fatalf("tenants: %+v", s.Tenants)
	}
	for i, tenant := range s.Tenants.List {
		if tenant != want[i] {
			t.Errorf("tenant %d is %+v, want %+v", i, tenant, want[i])
		}
	}
}

// login has everything that a journey may need; see TestLoginIsRead.
const login = `name: login
arrivals: {total: 100, over: 1m}
tenants: {list: [{name: a}]}
hosts: {login.example.org: "http://127.0.0.1:8090"}
journeys:
  - name: j
    cookies: true
    connections: session
    steps:
      - name: page
        url: /antrag
        follow: true
        extract:
          - {name: action, action: login}
          - {name: token, field: csrf_token}
          - {name: help, link: Hilfe}
      - name: login
        url: "{{action}}"
        follow: 3
        form: {fields: {user: "u-{{seq}}", csrf_token: "{{token}}"}}
      - name: submit
        url: /antrag
        form:
          fields: {name: Muster}
          files:
            - {field: antrag, size: 5Mi, name: antrag.pdf}
            - {field: id, file: id.png, type: image/png}
        extract: [{name: id, json: id, created: true}]
`

func TestLoginIsRead(t *testing.T) {
	s, err := Parse("s.yaml", []byte(login), fstest.MapFS{"id.png": {Data: []byte("png")}})
	if err != nil {
		t.Fatal(err)
	}
	j := s.Journeys[0]
	page, send, submit := j.Steps[0], j.Steps[1], j.Steps[2]
	if !j.Cookies || j.Connections != "session" || s.Hosts["login.example.org"] != "http://127.0.0.1:8090" {
		t.Errorf("journey %+v, hosts %v", j, s.Hosts)
	}
	if page.Follow != DefaultFollow || send.Follow != 3 || submit.Follow != 0 {
		t.Errorf("%d, %d and %d redirects, want %d, 3 and 0", page.Follow, send.Follow, submit.Follow, DefaultFollow)
	}
	if page.Method != "GET" || send.Method != "POST" || send.Form.Fields["csrf_token"] != "{{token}}" {
		t.Errorf("methods %s and %s, form %v", page.Method, send.Method, send.Form)
	}
	if x := page.Extract; x[0].Action != "login" || x[1].Field != "csrf_token" || x[2].Link != "Hilfe" || x[0].Created {
		t.Errorf("extractions %+v", x)
	}
	if f := submit.Form.Files; f[0].Size.Value() != 5<<20 || f[1].File != "id.png" || f[1].Type != "image/png" || !submit.Extract[0].Created {
		t.Errorf("files %+v, extractions %+v", f, submit.Extract)
	}
	if fresh := must(Parse("s.yaml", []byte(base), nil)); fresh.Journeys[0].Connections != DefaultConnections || fresh.Journeys[0].Cookies {
		t.Errorf("a journey that says nothing is %+v", fresh.Journeys[0])
	}
}

func TestCountedTenantsAreZipf(t *testing.T) {
	s, err := Parse("s.yaml", []byte(strings.Replace(base, "  list:\n    - name: a\n    - {name: b, weight: 2}\n", "  count: 1200\n  prefix: schule\n  zipf: 1\n", 1)), nil)
	if err != nil {
		t.Fatal(err)
	}
	list := s.Tenants.List
	if len(list) != 1200 || list[0].Name != "schule-0001" || list[1199].Name != "schule-1200" {
		t.Fatalf("tenants %+v … %+v", list[0], list[len(list)-1])
	}
	for i, tenant := range list {
		if want := 1 / float64(i+1); tenant.Weight < want*(1-1e-14) || tenant.Weight > want*(1+1e-14) {
			t.Errorf("weight of rank %d is %v, want %v", i+1, tenant.Weight, want)
		}
	}
}

func TestLoadReadsBesideTheFile(t *testing.T) {
	dir := t.TempDir()
	text := strings.Replace(base, "journeys:", "feeders:\n  f: {csv: people.csv}\njourneys:", 1)
	for name, data := range map[string]string{"s.yaml": text, "people.csv": "id,name\n1,A\n2,B\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Find(filepath.Join(dir, "s.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	table, err := s.Table("f")
	if err != nil || len(table.Rows) != 2 || table.Rows[1][1] != "B" {
		t.Errorf("table %+v, %v", table, err)
	}
	if _, err := s.Table("g"); err == nil {
		t.Error("a feeder that is not there has a table")
	}
	if _, err := Load(filepath.Join(dir, "none.yaml")); err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("a missing file: %v", err)
	}
	_, err = Find("breifwahl")
	const want = `there is no scenario in the library called "breifwahl", did you mean "briefwahl"? (a file is named with its ending, breifwahl.yaml)`
	if err == nil || err.Error() != want {
		t.Errorf("a wrong name: %v, want %s", err, want)
	}
}

func TestAliasesAreFollowedWithinBounds(t *testing.T) {
	text := strings.Replace(strings.Replace(base, "think: {fixed: 2s}", "think: &pause {fixed: 2s}", 1), "patience: {fixed: 8s}", "patience: *pause", 1)
	s, err := Parse("s.yaml", []byte(text), nil)
	if err != nil || *s.Journeys[0].Impatience.Patience.Fixed != 2*time.Second {
		t.Fatalf("alias: %v", err)
	}
	bomb := "title: &a {de: x}\nslos: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\ntenants:\n  list: &c [*b, *b, *b, *b, *b, *b, *b, *b]\n"
	if _, err := Parse("s.yaml", []byte(bomb), nil); err == nil {
		t.Error("a bomb is taken")
	}
	if _, err := Parse("s.yaml", []byte("title: &a\n  de: *a\n"), nil); err == nil {
		t.Error("an alias of itself is taken")
	}
}
