// Package gitops runs what GitOps tools run on the operator's kinds: the health checks for Argo CD in config/gitops, and kstatus, with
// which Flux, kpt and others decide whether an object is in its intended state.
package gitops

import (
	"fmt"
	"os"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// healthPrefix is of the keys with health checks in Argo CD's ConfigMap; group and kind follow.
const healthPrefix = "resource.customizations.health."

// Health is what Argo CD shows about an object.
type Health struct {
	// Status is Healthy, Progressing, Degraded or Suspended.
	Status, Message string
}

// ArgoCD has the health checks of a ConfigMap.
type ArgoCD struct {
	scripts map[string]string
}

// ReadArgoCD reads the health checks of a ConfigMap in YAML.
func ReadArgoCD(file string) (*ArgoCD, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read health checks: %w", err)
	}
	var configMap struct {
		Data map[string]string `json:"data"`
	}
	if err := yaml.UnmarshalStrict(content, &configMap); err != nil {
		return nil, fmt.Errorf("read health checks of %s: %w", file, err)
	}
	return &ArgoCD{scripts: configMap.Data}, nil
}

// Health runs the health check of the object's kind, as Argo CD does: with the object as obj, and without Lua's library of strings.
func (a *ArgoCD) Health(object *unstructured.Unstructured) (Health, error) {
	kind := object.GroupVersionKind().GroupKind()
	key := healthPrefix + kind.Group + "_" + kind.Kind
	script, ok := a.scripts[key]
	if !ok {
		return Health{}, fmt.Errorf("there is no health check %s", key)
	}
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return Health{}, fmt.Errorf("open a library of Lua: %w", err)
		}
	}
	state.SetGlobal("obj", luaValue(state, object.Object))
	if err := state.DoString(script); err != nil {
		return Health{}, fmt.Errorf("run health check %s: %w", key, err)
	}
	result, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return Health{}, fmt.Errorf("health check %s returned no table", key)
	}
	return Health{
		Status: lua.LVAsString(result.RawGetString("status")), Message: lua.LVAsString(result.RawGetString("message")),
	}, nil
}

// luaValue is a value of JSON in Lua.
func luaValue(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case bool:
		return lua.LBool(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	case string:
		return lua.LString(value)
	case []any:
		table := state.NewTable()
		for _, item := range value {
			table.Append(luaValue(state, item))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for key, item := range value {
			table.RawSetString(key, luaValue(state, item))
		}
		return table
	}
	return lua.LNil
}
