package scenarios

import (
	"io/fs"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Scenario is what is offered to a platform (curve, total, tenants, journeys) and what is promised about it (SLOs).
type Scenario struct {
	// Name is a DNS label; it names runs and files.
	Name string `json:"name"`
	// Title and Description are for people, by language ("de", "en").
	Title       Text `json:"title,omitempty"`
	Description Text `json:"description,omitempty"`
	// On is the day and time the surge is expected, for order dates. Zero: no day is known.
	On time.Time `json:"on,omitzero"`

	Arrivals Arrivals          `json:"arrivals"`
	Tenants  Tenants           `json:"tenants"`
	Feeders  map[string]Feeder `json:"feeders,omitempty"`
	// Hosts are services beside the tenants, an identity provider for example: the host name that URLs have, and the
	// address it is served at, like http://127.0.0.1:8090. Redirects and extracted URLs may lead to the tenants, to these
	// names and addresses, and to addresses written in a step's URL, nowhere else.
	Hosts    map[string]string `json:"hosts,omitempty"`
	Journeys []Journey         `json:"journeys"`
	SLOs     []SLO             `json:"slos,omitempty"`

	files fs.FS // see Files
}

// Arrivals says who comes when: exactly Total persons within Over, spread as Curve says.
type Arrivals struct {
	// Total is the exact number of arrivals, 1 to 4,294,967,295.
	Total int64 `json:"total"`
	// Over is the surge's length.
	Over time.Duration `json:"over"`
	// Process is "poisson" (sorted uniforms through the inverse of the curve's integral) or "uniform" (evenly, so
	// that the k-th of N comes at the curve's quantile k/N). Empty means poisson.
	Process string `json:"process,omitempty"`
	// Seed makes the schedule; the same seed gives the same arrivals to the nanosecond.
	Seed uint64 `json:"seed,omitempty"`
	// Curve is the sum of its shapes. Empty means constant.
	Curve []Shape `json:"curve,omitempty"`
}

// Shape is one summand of an arrival curve. Only the fields its kind names are read.
//
//	constant                         the same rate from From to To
//	ramp      Start, End             linear from rate Start to End between From and To
//	step      At, Start, End         Start before At, End from then on
//	spike     At, Width              a triangle around At, Width wide at its foot
//	gaussian  At, Width              a normal bell around At, Width its standard deviation
//	daily     At, Base               one wave a day, its top at At, its bottom at Base (share of the top)
//	deadline  At, Width              an exponential rise towards At with time constant Width, falling away after it
//	points    Points                 piecewise linear through (At, Rate)
type Shape struct {
	Kind string `json:"kind"`
	// Weight is this shape's share of the total relative to the other shapes' weights. Zero means 1.
	Weight float64 `json:"weight,omitempty"`
	// From and To bound the shape; zero To means the end of the surge.
	From time.Duration `json:"from,omitempty"`
	To   time.Duration `json:"to,omitempty"`
	At   time.Duration `json:"at,omitempty"`
	// Width is a duration whose meaning the kind gives.
	Width time.Duration `json:"width,omitempty"`
	// Start and End are rates relative to each other.
	Start  float64 `json:"start,omitempty"`
	End    float64 `json:"end,omitempty"`
	Base   float64 `json:"base,omitempty"`
	Points []Point `json:"points,omitempty"`
}

// Point is one knot of a piecewise-linear curve; Rate is relative to the other knots'.
type Point struct {
	At   time.Duration `json:"at"`
	Rate float64       `json:"rate"`
}

// Tenants says who the arrivals belong to: a list, or Count tenants with Zipf weights, or a population table.
// After loading, List is always filled.
type Tenants struct {
	List []Tenant `json:"list,omitempty"`
	// Count tenants named Prefix-001… with weight 1/rank^Zipf.
	Count  int     `json:"count,omitempty"`
	Prefix string  `json:"prefix,omitempty"`
	Zipf   float64 `json:"zipf,omitempty"`
	// Population is a CSV file beside the scenario with a header; Name and Weight are its columns.
	Population *Population `json:"population,omitempty"`
}

// Tenant is one municipality, school or customer.
type Tenant struct {
	// Name is a DNS label (a Kubernetes namespace name).
	Name string `json:"name"`
	// Title is the name people use. Empty means Name.
	Title string `json:"title,omitempty"`
	// Weight is the tenant's share of the arrivals relative to the other tenants'. Zero means 1.
	Weight float64 `json:"weight,omitempty"`
}

// Population reads tenants from a CSV table.
type Population struct {
	File   string `json:"file"`
	Name   string `json:"name"`
	Weight string `json:"weight"`
}

// Feeder gives templates their data: a CSV file (row Seq modulo its length) or synthetic people.
type Feeder struct {
	CSV       string `json:"csv,omitempty"`
	Synthetic string `json:"synthetic,omitempty"` // "person"
}

// Journey is what an arrival does, step after step.
type Journey struct {
	Name string `json:"name"`
	// Weight is the share of arrivals that go this way, relative to the other journeys'. Zero means 1.
	Weight float64 `json:"weight,omitempty"`
	// Cookies gives every person a cookie jar as a browser has, empty at first. Without it cookies are ignored, but for
	// those that a step extracts.
	Cookies bool `json:"cookies,omitempty"`
	// Connections is "shared" (a shot takes any open connection to its address) or "session" (every person opens their
	// own, as new persons do, and closes them at the journey's end). Empty means shared.
	Connections string      `json:"connections,omitempty"`
	Steps       []Step      `json:"steps"`
	Impatience  *Impatience `json:"impatience,omitempty"`
}

// Step is one request of a journey. URL, header values, Body and Form are templates, see package loadgen.
type Step struct {
	// Name is a DNS label, unique in the scenario.
	Name string `json:"name"`
	// Share is the probability that an arrival takes this step, 0 to 1. Nil means 1.
	Share *float64 `json:"share,omitempty"`
	// Method is empty for GET, or for POST where there is a form.
	Method string `json:"method,omitempty"`
	// URL is a path, an absolute URL, or begins with the placeholder of an extracted URL.
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    string            `json:"body,omitempty"`
	// Form is a body as a browser makes it; a step has a body or a form.
	Form *Form `json:"form,omitempty"`
	// Follow is how many redirects are followed at most; true means 10. All of them are one shot: what a person felt.
	// Checks and extractions look at the last answer.
	Follow Follow `json:"follow,omitempty"`
	// Think is the time before this step, after the answer of the one before. Nil means none.
	Think *Distribution `json:"think,omitempty"`
	// Timeout bounds one shot, from Due. Zero means 60 s.
	Timeout time.Duration `json:"timeout,omitempty"`
	Extract []Extract     `json:"extract,omitempty"`
	Checks  []Check       `json:"checks,omitempty"`
}

// Follow is a number of redirects. In a file it may also be true (DefaultFollow) or false (none).
type Follow int

// Form is what a browser sends for a form: URL-encoded, or multipart/form-data where there are files. The header
// Content-Type is set accordingly.
type Form struct {
	// Fields are sent in the order of their names; the values are templates.
	Fields map[string]string `json:"fields,omitempty"`
	// Files are sent after the fields, in their order, and are streamed.
	Files []File `json:"files,omitempty"`
}

// File is one file of an upload: a real one, or one that is made up of Size bytes.
type File struct {
	// Field is the name of the form's field.
	Field string `json:"field"`
	// File is a path beside the scenario or below.
	File string `json:"file,omitempty"`
	// Size makes a file up, of bytes that cannot be compressed, a little different for every arrival; like 5Mi.
	Size resource.Quantity `json:"size,omitzero"`
	// Name is the file name sent, a template. Empty means File's last part, or "file.bin".
	Name string `json:"name,omitempty"`
	// Type is the content type sent. Empty means by the ending of Name, else application/octet-stream.
	Type string `json:"type,omitempty"`
}

// Extract takes one value out of an answer and names it for the templates of later steps. Exactly one source is set.
type Extract struct {
	Name   string `json:"name"`
	JSON   string `json:"json,omitempty"` // dotted path, e.g. "application.id" or "items.0.id"
	Header string `json:"header,omitempty"`
	Cookie string `json:"cookie,omitempty"`
	Regexp string `json:"regexp,omitempty"` // first group, else the whole match
	// Field is the name of a field of a form in an HTML page, for example of the CSRF token: its value.
	Field string `json:"field,omitempty"`
	// Action is the id or name of a form in an HTML page, or the name of one of its fields: the URL it is sent to.
	Action string `json:"action,omitempty"`
	// Link is the id of a link in an HTML page, or words of its text: the URL it leads to.
	Link string `json:"link,omitempty"`
	// Created says that the value names something that the run made at the target, so that it can be found and removed:
	// the run's record lists it.
	Created bool `json:"created,omitempty"`
}

// Check is one condition on an answer; all of a step's checks must hold. A step without a status check expects 200–399.
type Check struct {
	Status   []int  `json:"status,omitempty"`
	Contains string `json:"contains,omitempty"`
	JSON     string `json:"json,omitempty"`
	Equals   string `json:"equals,omitempty"` // with JSON: the value as text
}

// Impatience is what a person does who waits in vain or meets an error: reload at once, come back later, or give up.
// The three shares sum to 1. See docs of the rushes on record: people clicked again and again.
type Impatience struct {
	// Patience is how long a person waits for one answer before losing patience.
	Patience Distribution `json:"patience"`
	Reload   float64      `json:"reload"`
	ComeBack float64      `json:"comeBack"`
	GiveUp   float64      `json:"giveUp"`
	// After is the pause of those who come back.
	After *Distribution `json:"after,omitempty"`
	// Most is the largest number of retries of one step; then the person gives up. Zero means 3.
	Most int `json:"most,omitempty"`
}

// Distribution is a distribution of durations; exactly one form is set.
type Distribution struct {
	Fixed       *time.Duration `json:"fixed,omitempty"`
	Uniform     *Uniform       `json:"uniform,omitempty"`
	Exponential *time.Duration `json:"exponential,omitempty"` // its mean
	LogNormal   *LogNormal     `json:"lognormal,omitempty"`
}

// Uniform is the uniform distribution from Min to Max.
type Uniform struct {
	Min time.Duration `json:"min"`
	Max time.Duration `json:"max"`
}

// LogNormal is the lognormal distribution above Shift (the least possible value) whose median and 95 % quantile, Shift
// included, are Median and P95.
type LogNormal struct {
	Median time.Duration `json:"median"`
	P95    time.Duration `json:"p95"`
	Shift  time.Duration `json:"shift,omitempty"`
}

// SLO is one promise. In every window of every tenant it covers, at most 1−Percentile/100 of the shots are slower
// than Within or failed, and at most Errors of them failed.
type SLO struct {
	Name string `json:"name,omitempty"`
	// Step is the step's name; empty means every step for itself.
	Step string `json:"step,omitempty"`
	// Tenant is a tenant's name, "each" (every tenant for itself) or "all" (together). Empty means each.
	Tenant string `json:"tenant,omitempty"`
	// Percentile of the response time, e.g. 95.
	Percentile float64       `json:"percentile"`
	Within     time.Duration `json:"within"`
	// Errors is the largest share of failed shots, 0 to 1.
	Errors float64 `json:"errors"`
	// Window is the length judged at a time, whole minutes. Zero means the whole run.
	Window time.Duration `json:"window,omitempty"`
	// Least is the least number of shots a window is judged on; a window with fewer is joined to the next. Zero means 20.
	Least int `json:"least,omitempty"`
}
