package manifests

import "sigs.k8s.io/kustomize/kyaml/filesys"

// RenderText renders a kustomization as someone who copies it from the docs to a directory of config/overlays has it.
func RenderText(kustomization string) (Rendered, error) {
	return render(func(files filesys.FileSystem) (string, error) {
		const directory = "config/overlays/mine"
		return directory, files.WriteFile(directory+"/kustomization.yaml", []byte(kustomization))
	})
}
