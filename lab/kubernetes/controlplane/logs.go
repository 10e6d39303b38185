package controlplane

import (
	"flag"
	"os"

	"k8s.io/klog/v2"
)

// redirectLogs sends what the controllers say to a file: the lab's own words are few.
func (p *Plane) redirectLogs() error {
	f, err := os.OpenFile(p.state.Path("controllers.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	// Without the second errors go to stderr as well.
	for _, setting := range [][2]string{{"logtostderr", "false"}, {"stderrthreshold", "FATAL"}} {
		if err := flags.Set(setting[0], setting[1]); err != nil {
			return err
		}
	}
	klog.SetOutput(f)
	return nil
}
