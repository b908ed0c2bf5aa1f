use super::*;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn manifest_text(config_type: &str, layer_type: &str, extra: &str) -> String {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}",
        "config":{{"mediaType":"{config_type}","digest":"{DIGEST}","size":2}},
        "layers":[{{"mediaType":"{layer_type}","digest":"{DIGEST}","size":5{extra}}}]}}"#
    )
}

fn error(text: &str) -> ManifestError {
    parse(text.as_bytes(), None).unwrap_err()
}

#[test]
fn manifests_of_both_families() {
    let oci = manifest_text(OCI_CONFIG, "application/vnd.oci.image.layer.v1.tar+zstd", "");
    let Document::Manifest(manifest) = parse(oci.as_bytes(), None).unwrap() else { panic!() };
    assert_eq!(manifest.layers[0].encoding(), Encoding::Zstd);
    assert!(!manifest.layers[0].foreign);
    let docker = manifest_text(
        DOCKER_CONFIG,
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        r#","urls":["http://169.254.169.254/x"]"#,
    )
    .replace(OCI_MANIFEST, DOCKER_MANIFEST);
    let Document::Manifest(manifest) = parse(docker.as_bytes(), None).unwrap() else { panic!() };
    assert_eq!(manifest.layers[0].encoding(), Encoding::Gzip);
    assert!(manifest.layers[0].foreign);
    let plain = "application/vnd.oci.image.layer.v1.tar";
    assert_eq!(Encoding::of_media_type(plain), Some(Encoding::Plain));
}

#[test]
fn what_is_no_image_is_named() {
    let layer = "application/vnd.oci.image.layer.v1.tar+gzip";
    assert_eq!(
        error(&manifest_text("application/vnd.oci.empty.v1+json", layer, "")),
        ManifestError::Artifact("application/vnd.oci.empty.v1+json".into())
    );
    let encrypted = format!("{layer}+encrypted");
    assert!(matches!(
        error(&manifest_text(OCI_CONFIG, &encrypted, "")),
        ManifestError::EncryptedLayer { index: 0, .. }
    ));
    let helm = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
    assert!(matches!(
        error(&manifest_text(OCI_CONFIG, helm, "")),
        ManifestError::LayerType { index: 0, .. }
    ));
    assert_eq!(error(r#"{"schemaVersion":1,"fsLayers":[]}"#), ManifestError::Schema1);
    let prefix = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let signed = format!(r#"{{"mediaType":"{prefix}"}}"#);
    assert_eq!(error(&signed), ManifestError::Schema1);
    assert!(matches!(error("<html>login</html>"), ManifestError::Malformed { .. }));
    assert!(matches!(error(r#"{"errors":[]}"#), ManifestError::MediaType(_)));
    let bad = manifest_text(OCI_CONFIG, layer, "").replace("sha256:e3", "sha512:e3");
    assert!(matches!(error(&bad), ManifestError::Digest { document: "manifest", .. }));
    let both = r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#;
    assert!(matches!(error(both), ManifestError::Malformed { .. }));
    assert!(matches!(
        parse(&vec![b' '; MANIFEST_DOCUMENT_BYTES_MAX + 1], None),
        Err(ManifestError::Limit { .. })
    ));
    let many = format!(r#"{{"mediaType":"{layer}","digest":"{DIGEST}","size":5}},"#).repeat(600);
    let many = manifest_text(OCI_CONFIG, layer, "")
        .replace("\"layers\":[", &format!("\"layers\":[{many}"));
    assert!(matches!(error(&many), ManifestError::Limit { limit: "LAYERS_MAX", .. }));
}

fn index_of(platforms: &[(&str, &str, &str)]) -> ImageIndex {
    let children: Vec<String> = platforms
        .iter()
        .map(|(os, arch, variant)| {
            format!(
                r#"{{"mediaType":"{OCI_MANIFEST}","digest":"{DIGEST}","size":1,
                "platform":{{"os":"{os}","architecture":"{arch}","variant":"{variant}"}}}}"#
            )
        })
        .collect();
    let text = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, children.join(","));
    match parse(text.as_bytes(), Some(OCI_INDEX)).unwrap() {
        Document::Index(index) => index,
        Document::Manifest(_) => panic!("not an index"),
    }
}

#[test]
fn platforms() {
    let index = index_of(&[
        ("unknown", "unknown", ""),
        ("linux", "arm", "v6"),
        ("linux", "arm", "v7"),
        ("linux", "arm64", "v8"),
        ("linux", "amd64", ""),
    ]);
    let check = |wanted: &str, expect: &str| {
        let child = pick_platform(&index, &wanted.parse().unwrap()).unwrap();
        assert_eq!(child.platform.as_ref().unwrap().to_string(), expect);
    };
    check("linux/amd64", "linux/amd64");
    check("linux/amd64/v1", "linux/amd64");
    check("linux/arm64", "linux/arm64/v8");
    check("linux/arm", "linux/arm/v7");
    check("linux/arm/v6", "linux/arm/v6");
    let wanted: Platform = "linux/s390x".parse().unwrap();
    let error = pick_platform(&index, &wanted).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no image for platform linux/s390x; the index has: linux/amd64, linux/arm/v6, \
         linux/arm/v7, linux/arm64/v8"
    );
    let wanted: Platform = "linux/arm/v5".parse().unwrap();
    assert!(pick_platform(&index, &wanted).is_err(), "v6 code does not run on v5");
}

#[test]
fn a_lone_child_without_platform_is_taken() {
    let child = format!(r#"{{"mediaType":"{OCI_MANIFEST}","digest":"{DIGEST}","size":1}}"#);
    let text = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{child}]}}"#);
    let Document::Index(index) = parse(text.as_bytes(), None).unwrap() else { panic!() };
    assert!(pick_platform(&index, &Platform::default()).is_ok());
    let many = vec![child; 20_000].join(",");
    let text = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{many}]}}"#);
    assert!(matches!(
        parse(text.as_bytes(), None),
        Err(ManifestError::Limit { limit: "INDEX_CHILDREN_MAX", .. })
    ));
}

#[test]
fn configurations() {
    let text = format!(
        r#"{{"architecture":"amd64","os":"linux","created":"2024-01-02T03:04:05Z",
        "rootfs":{{"type":"layers","diff_ids":["{DIGEST}"]}},
        "config":{{"User":"app","Env":["A=b"],"Cmd":null,"ExposedPorts":{{"80/tcp":{{}}}},
        "Labels":{{"k":"v"}},"Healthcheck":{{"Test":["CMD","x"]}}}},
        "history":[{{"created":"nonsense","created_by":"RUN x","empty_layer":true}}]}}"#
    );
    let config = parse_config(text.as_bytes()).unwrap();
    assert_eq!(config.platform(), Platform::default());
    assert_eq!(config.created.unwrap().to_string(), "2024-01-02T03:04:05Z");
    assert_eq!(config.exposed_ports, ["80/tcp"]);
    assert!(config.healthcheck && config.history[0].empty_layer);
    assert_eq!(config.history[0].created, None);
    let layer = "application/vnd.oci.image.layer.v1.tar+gzip";
    let text = manifest_text(OCI_CONFIG, layer, "");
    let Document::Manifest(mut manifest) = parse(text.as_bytes(), None).unwrap() else { panic!() };
    assert_eq!(check_layers(&manifest, &config), Ok(()));
    manifest.layers.clear();
    assert_eq!(
        check_layers(&manifest, &config),
        Err(ManifestError::LayerCount { layers: 0, diff_ids: 1 })
    );
    assert_eq!(parse_config(b"{}").unwrap(), ImageConfig::default());
    assert!(matches!(parse_config(b"[]"), Err(ManifestError::Malformed { .. })));
    let bad = r#"{"rootfs":{"diff_ids":["x"]}}"#;
    assert!(matches!(parse_config(bad.as_bytes()), Err(ManifestError::Digest { .. })));
}
