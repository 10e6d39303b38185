package record

import "io"

// writeMetrics writes metrics.om.
func writeMetrics(create creator, r *Record) error {
	return replaceFile(create, r.Dir+"/"+metricsFile, func(w io.Writer) error {
		_, err := io.WriteString(w, "# EOF\n")
		return err
	})
}
