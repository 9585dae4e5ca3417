# shellcheck shell=bash disable=SC2154  # programs, busybox and the versions are set by `build`
# What each image holds. Sourced by tests/tools/build, which defines `image` and has read versions.env. Programs are at
# their publisher's paths and images have their publisher's names, so a manifest is the same for these and for those.
#
#   image FILE NAME ROLES [arguments of image.py]

make_images() {
    local node='["control-plane","worker"]' component

    for component in kube-apiserver kube-controller-manager kube-scheduler; do
        image "$component" "registry.k8s.io/$component:v$KUBERNETES" '["control-plane"]' \
            --entrypoint "$component" --program "$programs/$component=/usr/local/bin/$component"
    done
    image etcd "registry.k8s.io/etcd:$ETCD-$ETCD_IMAGE_REVISION" '["control-plane"]' \
        --entrypoint etcd --program "$programs/etcd=/usr/local/bin/etcd"
    image coredns "registry.k8s.io/coredns/coredns:v$COREDNS" "$node" \
        --entrypoint /coredns --program "$programs/coredns=/coredns"
    image pause "registry.k8s.io/pause:$PAUSE" "$node" \
        --entrypoint /pause --user 65535:65535 --program "$programs/pause=/pause"
    image kube-proxy "registry.k8s.io/kube-proxy:v$KUBERNETES" "$node" \
        --entrypoint /usr/local/bin/kube-proxy --program "$programs/kube-proxy=/usr/local/bin/kube-proxy" \
        --program /usr/sbin/conntrack=/usr/sbin/conntrack "${iptables[@]}"

    image flannel "ghcr.io/flannel-io/flannel:v$FLANNEL" "$node" \
        --entrypoint /opt/bin/flanneld --program "$programs/flanneld=/opt/bin/flanneld" \
        "${iptables[@]}" --busybox "$busybox"
    image flannel-cni-plugin "ghcr.io/flannel-io/flannel-cni-plugin:v$FLANNEL_CNI_IMAGE" "$node" \
        --program "$programs/flannel-cni=/flannel" --busybox "$busybox"
    image k8s-device-plugin "nvcr.io/nvidia/k8s-device-plugin:v$NVIDIA_DEVICE_PLUGIN" '["gpu"]' \
        --entrypoint nvidia-device-plugin \
        --program "$programs/nvidia-device-plugin=/usr/bin/nvidia-device-plugin"

    # For the gates: a pod that serves (httpd) and answers, and one that asks. busybox's own wget crashes in pods when
    # busybox is linked statically, which is why Debian's dynamic busybox is used and why curl exists beside it.
    image busybox "docker.io/library/busybox:$BUSYBOX" "$node" --command sh --busybox "$busybox"
    image curl "docker.io/curlimages/curl:$CURL" "$node" \
        --entrypoint curl --program /usr/bin/curl=/usr/bin/curl --busybox "$busybox"
}

# iptables as nf_tables rules, with its match and target plug-ins, and nft itself, for kube-proxy and flannel.
iptables_arguments() {
    local name libraries
    libraries=/usr/lib/$(uname -m)-linux-gnu/xtables
    iptables=(--program /usr/sbin/xtables-nft-multi=/usr/sbin/xtables-nft-multi --program /usr/sbin/nft=/usr/sbin/nft
        --tree "$libraries=$libraries")
    for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
        iptables+=(--link "xtables-nft-multi=/usr/sbin/$name")
    done
}
