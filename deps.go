// Package ansturm pins the libraries until each has its user.
package ansturm

import (
	_ "github.com/HdrHistogram/hdrhistogram-go"
	_ "github.com/RoaringBitmap/roaring/v2"
	_ "github.com/chromedp/chromedp"
	_ "github.com/go-echarts/go-echarts/v2/charts"
	_ "github.com/goccy/go-yaml"
	_ "github.com/prometheus/client_model/go"
	_ "github.com/prometheus/common/expfmt"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/santhosh-tekuri/jsonschema/v6"
	_ "github.com/spf13/cobra"
	_ "github.com/valyala/fasthttp"
	_ "github.com/vbauerster/mpb/v8"
	_ "golang.org/x/net/html"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/sys/unix"
	_ "golang.org/x/term"
	_ "gonum.org/v1/gonum/optimize"
	_ "gonum.org/v1/gonum/optimize/convex/lp"
	_ "gonum.org/v1/gonum/stat/distuv"
	_ "k8s.io/api/autoscaling/v2"
	_ "k8s.io/apimachinery/pkg/api/resource"
	_ "pgregory.net/rapid"
	_ "sigs.k8s.io/yaml"
)
