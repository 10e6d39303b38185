package metricsapi

import (
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

// discover answers what an API server is asked first: which groups, versions and resources there are.
func discover(mux *http.ServeMux) {
	version := metav1.GroupVersionForDiscovery{GroupVersion: metricsv1beta1.SchemeGroupVersion.String(), Version: "v1beta1"}
	group := metav1.APIGroup{
		TypeMeta: metav1.TypeMeta{Kind: "APIGroup", APIVersion: "v1"}, Name: metricsv1beta1.GroupName,
		Versions: []metav1.GroupVersionForDiscovery{version}, PreferredVersion: version,
	}
	groups := &metav1.APIGroupList{
		TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: []metav1.APIGroup{group},
	}
	verbs := metav1.Verbs{"get", "list"}
	resources := &metav1.APIResourceList{
		TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: version.GroupVersion,
		APIResources: []metav1.APIResource{
			{Name: "nodes", Kind: "NodeMetrics", Verbs: verbs},
			{Name: "pods", Kind: "PodMetrics", Namespaced: true, Verbs: verbs},
		},
	}
	mux.HandleFunc("GET /apis", func(w http.ResponseWriter, _ *http.Request) { tell(w, groups) })
	mux.HandleFunc("GET /apis/"+group.Name, func(w http.ResponseWriter, _ *http.Request) { tell(w, &group) })
	mux.HandleFunc("GET /apis/"+version.GroupVersion, func(w http.ResponseWriter, _ *http.Request) { tell(w, resources) })
}
