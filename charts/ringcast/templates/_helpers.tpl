{{- define "ringcast.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- printf "%s-operator" .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-ringcast-operator" .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "ringcast.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "ringcast.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* Never changes over upgrades: a Deployment's selector is immutable. */}}
{{- define "ringcast.selectorLabels" -}}
app.kubernetes.io/name: ringcast
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "ringcast.labels" -}}
{{ include "ringcast.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: ringcast
{{- if .Values.isPlainManifest }}
app.kubernetes.io/managed-by: kubectl
{{- else }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}
{{- with .Values.global.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Full name of an image: {root, image, tag}. */}}
{{- define "ringcast.imageName" -}}
{{- $registry := .root.Values.global.imageRegistry -}}
{{- $name := .image.repository -}}
{{- if $registry -}}{{- $name = printf "%s/%s" (trimSuffix "/" $registry) $name -}}{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "ringcast.image" -}}
{{- include "ringcast.imageName" (dict "root" . "image" .Values.image) -}}
{{- end -}}

{{- define "ringcast.nodeImage" -}}
{{- if .Values.nodeImage.repository -}}
{{- include "ringcast.imageName" (dict "root" . "image" .Values.nodeImage) -}}
{{- else -}}
{{- include "ringcast.image" . -}}
{{- end -}}
{{- end -}}

{{- define "ringcast.natsImage" -}}
{{- include "ringcast.imageName" (dict "root" . "image" .Values.natsImage) -}}
{{- end -}}

{{/* What the operator may do with what it makes, and what nodes and globalmasters may do: it can only
grant what it holds itself. */}}
{{- define "ringcast.rules" -}}
- apiGroups: [ringcast.dev]
  resources: [realtimeregions, realtimeapps]
  verbs: [get, list, watch]
- apiGroups: [ringcast.dev]
  resources: [realtimeregions/status, realtimeapps/status]
  verbs: [get, patch, update]
# Objects that block the deletion of their owner need this where that is enforced.
- apiGroups: [ringcast.dev]
  resources: [realtimeregions/finalizers, realtimeapps/finalizers]
  verbs: [update]
- apiGroups: [ringcast.dev]
  resources: [realtimerings]
  verbs: [get, list, watch, create, patch, update, delete]
# The operator never writes this; nodes do, by a Role that it makes.
- apiGroups: [ringcast.dev]
  resources: [realtimerings/status]
  verbs: [get, patch, update]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, delete]
- apiGroups: [""]
  resources: [secrets, configmaps, services, serviceaccounts]
  verbs: [get, list, watch, create, patch, update, delete]
- apiGroups: [apps]
  resources: [statefulsets, deployments]
  verbs: [get, list, watch, create, patch, update, delete]
# Of the globalmasters, which renew them by a Role that it makes.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, list, watch, create, patch, update, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, update, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, update, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, list, watch, create, patch, update, delete]
- apiGroups: [events.k8s.io, ""]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
