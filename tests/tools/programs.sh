# shellcheck shell=bash
# What is compiled, how, and where it goes on a host. Sourced by tests/tools/build, which defines `compile` and has
# read versions.env. A line here changes the key of the programs, so it compiles everything again.
#
#   compile NAME MODULE_FOLDER PACKAGE CGO LDFLAGS [TAGS]     into $programs/NAME
#   host NAME VERSION INSTALL_PATH ROLES                      the program also goes to hosts, through the index

compile_programs() {
    local package flags plugin

    # The same two variables as Kubernetes' own hack/lib/version.sh; without them kubeadm compares nonsense versions.
    flags=
    for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        flags+=" -X $package.gitVersion=v$KUBERNETES -X $package.gitTreeState=clean"
        flags+=" -X $package.gitMajor=${KUBERNETES%%.*} -X $package.gitMinor=$(cut -d. -f2 <<<"$KUBERNETES")"
    done
    for package in kubeadm kubelet kubectl kube-apiserver kube-controller-manager kube-scheduler kube-proxy; do
        compile "$package" kubernetes "k8s.io/kubernetes/cmd/$package" 0 "$flags"
    done

    for package in containerd containerd-shim-runc-v2 ctr; do
        compile "$package" containerd "github.com/containerd/containerd/v2/cmd/$package" 0 \
            "-X github.com/containerd/containerd/v2/version.Version=v$CONTAINERD"
    done
    # nsenter is C, so runc needs cgo. seccomp is not optional: kubeadm's static pods ask for RuntimeDefault, and a runc
    # without it refuses them. Static, as upstream's release, so that a host needs no libseccomp.
    compile runc runc github.com/opencontainers/runc 1 "-extldflags -static" seccomp,netgo,osusergo

    for plugin in ipam/host-local main/bridge main/loopback meta/portmap; do
        compile "${plugin#*/}" cni-plugins "github.com/containernetworking/plugins/plugins/$plugin" 0 \
            "-X github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion=v$CNI_PLUGINS"
    done
    compile flannel-cni flannel-cni-plugin github.com/containernetworking/plugins/plugins/meta/flannel 0 \
        "-X github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion=v$FLANNEL_CNI_PLUGIN"
    # flannel's udp back end is C; static, because its image has no C library of its own.
    compile flanneld flannel github.com/flannel-io/flannel 1 \
        "-linkmode external -extldflags -static -X github.com/flannel-io/flannel/pkg/version.Version=v$FLANNEL" \
        netgo,osusergo

    compile etcd etcd go.etcd.io/etcd/server/v3 0 ""
    compile coredns coredns github.com/coredns/coredns 0 ""

    # NVML is opened at run time; lazy binding lets the program start where the library lacks a newer symbol.
    compile nvidia-device-plugin nvidia-device-plugin \
        github.com/NVIDIA/k8s-device-plugin/cmd/nvidia-device-plugin 1 \
        "-extldflags=-Wl,-z,lazy -X github.com/NVIDIA/k8s-device-plugin/internal/info.version=v$NVIDIA_DEVICE_PLUGIN"
    for package in nvidia-ctk nvidia-container-runtime; do
        compile "$package" nvidia-container-toolkit "github.com/NVIDIA/nvidia-container-toolkit/cmd/$package" 1 \
            "-extldflags=-Wl,-z,lazy -X github.com/NVIDIA/nvidia-container-toolkit/internal/info.version=$NVIDIA_CONTAINER_TOOLKIT"
    done

    # The pod sandbox's own program is 70 lines of C inside the Kubernetes module.
    compile_c pause kubernetes k8s.io/kubernetes build/pause/linux/pause.c "-DVERSION=v$PAUSE"
}

host_programs() {
    local node='["control-plane","worker"]' plugin program
    host kubeadm "v$KUBERNETES" /usr/local/bin/kubeadm "$node"
    host kubelet "v$KUBERNETES" /usr/local/bin/kubelet "$node"
    host kubectl "v$KUBERNETES" /usr/local/bin/kubectl '["control-plane"]'
    host containerd "v$CONTAINERD" /usr/local/bin/containerd "$node"
    host containerd-shim-runc-v2 "v$CONTAINERD" /usr/local/bin/containerd-shim-runc-v2 "$node"
    host ctr "v$CONTAINERD" /usr/local/bin/ctr "$node"
    host runc "v$RUNC" /usr/local/sbin/runc "$node"
    for plugin in bridge host-local loopback portmap; do
        host "$plugin" "v$CNI_PLUGINS" "/opt/cni/bin/$plugin" "$node"
    done
    # nvidia-ctk writes specifications and runs as their hooks; the runtime is used where somebody has configured it.
    for program in nvidia-ctk nvidia-container-runtime; do
        host "$program" "v$NVIDIA_CONTAINER_TOOLKIT" "/usr/bin/$program" '["gpu"]'
    done
}
