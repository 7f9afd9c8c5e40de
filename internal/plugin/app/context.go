package app

// ContextName is the name of the context of the kubeconfig that is used; empty if there is none.
func (a *App) ContextName() string {
	if a.Config.Context != nil && *a.Config.Context != "" {
		return *a.Config.Context
	}
	raw, err := a.Config.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return ""
	}
	return raw.CurrentContext
}
