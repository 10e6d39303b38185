package metricsapi

import (
	"mime"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	"k8s.io/metrics/pkg/client/clientset/versioned/scheme"
)

// answer writes an object in the form that the caller would like best: JSON, or protocol buffers as controllers ask for.
func answer(w http.ResponseWriter, r *http.Request, object runtime.Object) {
	write(w, http.StatusOK, serializer(r.Header.Get("Accept")), object, metricsv1beta1.SchemeGroupVersion)
}

func fail(w http.ResponseWriter, err *apierrors.StatusError) {
	status := err.Status()
	write(w, int(status.Code), serializer(""), &status, metav1.Unversioned)
}

// tell writes one of the discovery's objects, which have a JSON form only.
func tell(w http.ResponseWriter, object runtime.Object) {
	write(w, http.StatusOK, serializer(""), object, metav1.Unversioned)
}

func write(w http.ResponseWriter, code int, info runtime.SerializerInfo, object runtime.Object, version runtime.GroupVersioner) {
	w.Header().Set("Content-Type", info.MediaType)
	w.WriteHeader(code)
	_ = scheme.Codecs.EncoderForVersion(info.Serializer, version).Encode(object, w) // the caller has gone
}

// serializer is the first of an Accept header's media types that is known; tables are not, so kubectl makes its own.
func serializer(accept string) runtime.SerializerInfo {
	known := scheme.Codecs.SupportedMediaTypes()
	for _, part := range strings.Split(accept, ",") {
		mediaType, parameters, err := mime.ParseMediaType(part)
		if err != nil || parameters["as"] != "" {
			continue
		}
		if info, ok := runtime.SerializerInfoForMediaType(known, mediaType); ok {
			return info
		}
	}
	info, _ := runtime.SerializerInfoForMediaType(known, runtime.ContentTypeJSON)
	return info
}
