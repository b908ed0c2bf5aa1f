//! Documents as registries and builders really serve them: what is missing, null, extra or odd in
//! them must not keep an image from being analysed. Those that `oci-spec` alone would refuse or
//! read differently are the reason for `image::manifest::lenient`.

use kedge_analyzer::image::decode::Encoding;
use kedge_analyzer::image::manifest::{
    self, Document, ImageConfig, ImageIndex, ImageManifest, ManifestError, OCI_CONFIG, OCI_INDEX,
    OCI_MANIFEST, parse, parse_config, pick_platform,
};

use oci_spec::image as oci;
use std::collections::HashMap;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const SHA512: &str = "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce\
    47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e";
const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn manifest_of(text: &str) -> ImageManifest {
    match parse(text.as_bytes(), None) {
        Ok(Document::Manifest(manifest)) => manifest,
        other => panic!("{text}: {other:?}"),
    }
}

fn index_of(text: &str) -> ImageIndex {
    match parse(text.as_bytes(), None) {
        Ok(Document::Index(index)) => index,
        other => panic!("{text}: {other:?}"),
    }
}

fn config_of(text: &str) -> ImageConfig {
    parse_config(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn malformed(text: &str) {
    let error = parse(text.as_bytes(), None).unwrap_err();
    assert!(matches!(error, ManifestError::Malformed { .. }), "{text}: {error}");
}

fn config_descriptor() -> String {
    format!(r#"{{"mediaType":"{OCI_CONFIG}","digest":"{DIGEST}","size":2}}"#)
}

fn layer(fields: &str) -> String {
    format!(
        r#"{{"config":{},"layers":[{{"mediaType":"{GZIP}","digest":"{DIGEST}",{fields}}}]}}"#,
        config_descriptor()
    )
}

#[test]
fn manifests_with_little_in_them() {
    let bare = manifest_of(&format!(r#"{{"config":{}}}"#, config_descriptor()));
    assert_eq!((bare.media_type.as_str(), bare.layers.len()), (OCI_MANIFEST, 0));
    let nulls = format!(
        r#"{{"schemaVersion":2,"mediaType":null,"artifactType":null,"layers":null,"manifests":null,
        "annotations":null,"subject":null,"config":{}}}"#,
        config_descriptor()
    );
    assert_eq!(manifest_of(&nulls), bare);
    let stated = Some("application/vnd.docker.distribution.manifest.v2+json; charset=utf-8");
    let text = format!(r#"{{"config":{}}}"#, config_descriptor());
    let Ok(Document::Manifest(docker)) = parse(text.as_bytes(), stated) else { panic!() };
    assert_eq!(docker.media_type, manifest::DOCKER_MANIFEST);
}

#[test]
fn what_is_not_needed_may_be_of_any_form() {
    let odd = format!(
        r#"{{"schemaVersion":2,"annotations":{{"a":1,"b":[{{}}]}},"subject":"x","extra":[1e99],
        "config":{{"mediaType":"{OCI_CONFIG}","digest":"{DIGEST}","size":2,"data":5,
        "artifactType":{{}}}},
        "layers":[{{"mediaType":"{GZIP}","digest":"{DIGEST}","size":5,"annotations":null,
        "urls":null,"platform":null,"data":[],"features":3}}]}}"#
    );
    let manifest = manifest_of(&odd);
    assert!(!manifest.layers[0].foreign && manifest.layers[0].size == 5);
}

#[test]
fn layers_of_docker_and_of_windows() {
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let text = layer(r#""size":1,"urls":["https://x.example/a"]"#).replace(GZIP, foreign);
    let manifest = manifest_of(&text);
    assert_eq!(manifest.layers[0].media_type, foreign);
    assert_eq!(manifest.layers[0].encoding(), Encoding::Gzip);
    assert!(manifest.layers[0].foreign);
    let plain = "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd";
    let manifest = manifest_of(&layer(r#""size":1,"urls":[]"#).replace(GZIP, plain));
    assert_eq!(manifest.layers[0].media_type, plain);
    assert!(!manifest.layers[0].foreign);
}

#[test]
fn sizes() {
    let largest = manifest_of(&layer(r#""size":18446744073709551615"#));
    assert_eq!(largest.layers[0].size, u64::MAX);
    for size in ["-1", "18446744073709551616", "1e3", "\"5\"", "null", "{}"] {
        malformed(&layer(&format!(r#""size":{size}"#)));
    }
    malformed(&layer(r#""annotations":{}"#));
}

#[test]
fn digests() {
    let upper = DIGEST.to_ascii_uppercase().replace("SHA256", "sha256");
    let manifest = manifest_of(&layer(r#""size":1"#).replace(DIGEST, &upper));
    assert_eq!(manifest.config.digest.to_string(), DIGEST);
    for bad in [SHA512, "sha512:00", "sha256:00", "sha256", "", ":", "blake3:00"] {
        let text = layer(r#""size":1"#).replace(DIGEST, bad);
        let error = parse(text.as_bytes(), None).unwrap_err();
        assert!(matches!(error, ManifestError::Digest { document: "manifest", .. }), "{error}");
        let text = format!(r#"{{"manifests":[{{"digest":"{bad}","size":1}}]}}"#);
        let error = parse(text.as_bytes(), None).unwrap_err();
        assert!(matches!(error, ManifestError::Digest { document: "index", .. }), "{error}");
    }
    // What it is comes before what its digests are.
    let chart = "application/vnd.cncf.helm.config.v1+json";
    let text = layer(r#""size":1"#).replace(DIGEST, SHA512).replace(OCI_CONFIG, chart);
    let error = parse(text.as_bytes(), None).unwrap_err();
    assert_eq!(error, ManifestError::Artifact(chart.to_owned()));
}

#[test]
fn a_name_said_twice_is_ambiguous() {
    let config = config_descriptor();
    malformed(&format!(r#"{{"config":{config},"config":{config}}}"#));
    malformed(&layer(&format!(r#""size":1,"digest":"{DIGEST}""#)));
    let text = r#"{"os":"linux","os":"windows"}"#;
    assert!(matches!(parse_config(text.as_bytes()), Err(ManifestError::Malformed { .. })));
}

#[test]
fn indexes() {
    let child = |fields: &str| format!(r#"{{"digest":"{DIGEST}","size":1{fields}}}"#);
    let platforms = [
        "",
        r#","platform":null"#,
        r#","platform":{}"#,
        r#","platform":{"os":"plan10","architecture":"armbe","variant":null,"os.version":7}"#,
        r#","platform":{"os":"windows","architecture":"amd64","os.version":"10.0.1",
           "os.features":["win32k"],"features":"sse4"}"#,
        r#","annotations":{"vnd.docker.reference.type":"attestation-manifest"}"#,
        r#","annotations":null,"artifactType":"x/y","data":"e30=","urls":[]"#,
    ];
    let children: Vec<String> = platforms.iter().map(|fields| child(fields)).collect();
    let text = format!(r#"{{"mediaType":"{OCI_INDEX}","manifests":[{}]}}"#, children.join(","));
    let index = index_of(&text);
    let names: Vec<Option<String>> = index
        .children
        .iter()
        .map(|child| child.platform.as_ref().map(ToString::to_string))
        .collect();
    let some = |text: &str| Some(text.to_owned());
    let expected = [None, None, some("/"), some("plan10/armbe"), some("windows/amd64"), None, None];
    assert_eq!(names, expected);
    let attestations: Vec<bool> = index.children.iter().map(|child| child.attestation).collect();
    assert_eq!(attestations, [false, false, false, false, false, true, false]);
    assert!(pick_platform(&index, &"windows/amd64".parse().unwrap()).is_ok());
    assert!(pick_platform(&index, &"plan10/armbe".parse().unwrap()).is_ok());
    let list = r#"{"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json",
        "schemaVersion":2,"manifests":[],"config":null,"layers":null}"#;
    assert_eq!(index_of(list).children.len(), 0);
    let wrong = format!(r#"{{"mediaType":"{OCI_MANIFEST}","manifests":[]}}"#);
    assert_eq!(
        parse(wrong.as_bytes(), None).unwrap_err(),
        ManifestError::MediaType(OCI_MANIFEST.to_owned())
    );
}

#[test]
fn configurations_with_little_in_them() {
    let empty = ImageConfig::default();
    let documents = [
        "{}",
        r#"{"config":null,"history":null,"rootfs":null,"created":null,"author":null,
            "variant":null}"#,
        r#"{"config":{},"history":[],"rootfs":{}}"#,
        r#"{"rootfs":{"type":"layers","diff_ids":null},"created":"","container":"0badc0de",
            "container_config":{"Cmd":3},"docker_version":18,"throwaway":true,"id":null}"#,
        r#"{"created":"yesterday","rootfs":{"type":7,"diff_ids":[]},"os.features":"x",
            "os.version":10,"config":{"OnBuild":null,"ArgsEscaped":true,"Shell":["sh"]}}"#,
        r#"{"config":{"User":null,"Env":null,"Entrypoint":null,"Cmd":null,"WorkingDir":null,
            "ExposedPorts":null,"Volumes":null,"Labels":null,"Healthcheck":null,
            "StopSignal":null}}"#,
    ];
    for text in documents {
        assert_eq!(config_of(text), empty, "{text}");
    }
}

#[test]
fn configurations_in_full() {
    let config = config_of(
        r#"{"architecture":"armbe","os":"plan10","variant":"v9","author":"A",
        "created":"2023-05-04T17:37:03.872958712+02:00",
        "config":{"User":"1000:1000","Env":["PATH=/bin","X="],"Entrypoint":["/e"],"Cmd":["-v"],
        "WorkingDir":"/w","StopSignal":"SIGQUIT","Labels":{"b":"2","a":""},
        "ExposedPorts":{"9/udp":null,"80/tcp":{"x":1},"8080/tcp":7,"443/tcp":{}},
        "Volumes":{"/z":{},"/a":[]},"Healthcheck":{"Test":["CMD-SHELL","true"],"Interval":3e10}},
        "history":[{},{"created":null,"created_by":null,"author":null,"comment":null,
        "empty_layer":null,"extra":{}},{"created":"0001-01-01T00:00:00Z","created_by":"RUN x",
        "comment":"buildkit.dockerfile.v0","author":"B","empty_layer":true}]}"#,
    );
    assert_eq!(config.platform().to_string(), "plan10/armbe/v9");
    assert!(config.created.is_some() && config.healthcheck);
    assert_eq!(config.exposed_ports, ["443/tcp", "80/tcp", "8080/tcp", "9/udp"]);
    assert_eq!(config.volumes, ["/a", "/z"]);
    assert_eq!((config.env.len(), config.labels.len(), config.history.len()), (2, 2, 3));
    assert_eq!(config.history[0], config.history[1]);
    assert_eq!(config.history[2].created_by, "RUN x");
    assert!(config.history[2].empty_layer);
    assert_eq!((config.user.as_str(), config.stop_signal.as_str()), ("1000:1000", "SIGQUIT"));
    for check in [r#"{"Test":["NONE"]}"#, r#"{"Test":[]}"#, r#"{"Test":null}"#, "{}"] {
        let text = format!(r#"{{"config":{{"Healthcheck":{check}}}}}"#);
        assert!(!config_of(&text).healthcheck, "{text}");
    }
    for text in [r#"{"config":{"Env":[5]}}"#, r#"{"os":5}"#, r#"{"history":[[]]}"#, "{\"os\":"] {
        let error = parse_config(text.as_bytes()).unwrap_err();
        assert!(matches!(error, ManifestError::Malformed { .. }), "{text}: {error}");
    }
}

#[test]
fn counts_are_bounded() {
    let many = |element: &str, count: usize| vec![element; count].join(",");
    let limit = |text: &str, name: &str| match parse_config(text.as_bytes()) {
        Err(ManifestError::Limit { limit, .. }) => assert_eq!(limit, name),
        other => panic!("{other:?}"),
    };
    limit(&format!(r#"{{"history":[{}]}}"#, many("{}", 4097)), "HISTORY_MAX");
    let diff_ids = many(&format!("\"{DIGEST}\""), 513);
    limit(&format!(r#"{{"rootfs":{{"diff_ids":[{diff_ids}]}}}}"#), "LAYERS_MAX");
    let text = format!(r#"{{"history":[{}]}}"#, many("{}", 4096));
    assert_eq!(config_of(&text).history.len(), 4096);
}

#[test]
fn what_another_implementation_writes_is_read() {
    let descriptor = |media_type: &str, size| {
        let digest: oci::Digest = DIGEST.parse().unwrap();
        oci::Descriptor::new(media_type.into(), size, digest)
    };
    let written = oci::ImageManifestBuilder::default()
        .schema_version(oci::SCHEMA_VERSION)
        .media_type(oci::MediaType::ImageManifest)
        .config(descriptor(OCI_CONFIG, 7))
        .layers(vec![descriptor(GZIP, 11)])
        .annotations(HashMap::from([("a".to_owned(), "b".to_owned())]))
        .build()
        .unwrap();
    let manifest = manifest_of(&written.to_string().unwrap());
    assert_eq!((manifest.config.size, manifest.layers[0].size), (7, 11));
    let platform = oci::PlatformBuilder::default().os("linux").architecture("arm64").variant("v8");
    let mut child = descriptor(OCI_MANIFEST, 3);
    child.set_platform(Some(platform.build().unwrap()));
    let written = oci::ImageIndexBuilder::default()
        .schema_version(oci::SCHEMA_VERSION)
        .manifests(vec![child])
        .build()
        .unwrap();
    let index = index_of(&written.to_string().unwrap());
    let picked = pick_platform(&index, &"linux/arm64".parse().unwrap()).unwrap();
    assert_eq!(picked.descriptor.size, 3);
    let process = oci::ConfigBuilder::default()
        .exposed_ports(vec!["81/tcp".to_owned(), "80/tcp".to_owned()])
        .labels(HashMap::from([("b".to_owned(), "2".to_owned())]))
        .env(vec!["A=b".to_owned()]);
    let rootfs = oci::RootFsBuilder::default().diff_ids(vec![DIGEST.to_owned()]);
    let step = oci::HistoryBuilder::default().created_by("COPY x").empty_layer(true);
    let written = oci::ImageConfigurationBuilder::default()
        .architecture("s390x")
        .os("linux")
        .config(process.build().unwrap())
        .rootfs(rootfs.build().unwrap())
        .history(vec![step.build().unwrap()])
        .build()
        .unwrap();
    let config = config_of(&written.to_string().unwrap());
    assert_eq!(config.platform().to_string(), "linux/s390x");
    assert_eq!(config.exposed_ports, ["80/tcp", "81/tcp"]);
    assert_eq!((config.labels["b"].as_str(), config.env[0].as_str()), ("2", "A=b"));
    assert_eq!((config.diff_ids[0].to_string().as_str(), config.history.len()), (DIGEST, 1));
}

/// What `image::manifest::lenient` is for. When a newer `oci-spec` reads one of these, the part
/// that stands in for it can go.
#[test]
fn what_oci_spec_alone_refuses() {
    let config = config_descriptor();
    let manifests = [
        format!(r#"{{"config":{config},"layers":[]}}"#),
        format!(r#"{{"schemaVersion":2,"config":{config}}}"#),
        format!(r#"{{"schemaVersion":2,"config":{config},"layers":null}}"#),
        format!(r#"{{"schemaVersion":2,"config":{config},"layers":[],"annotations":{{"a":1}}}}"#),
        format!(r#"{{"schemaVersion":2,"config":{config},"layers":[],"subject":{{}}}}"#),
    ];
    for text in &manifests {
        assert!(serde_json::from_str::<oci::ImageManifest>(text).is_err(), "{text}");
        manifest_of(text);
    }
    let child = |fields: &str| {
        format!(r#"{{"schemaVersion":2,"manifests":[{{"digest":"{DIGEST}","size":1{fields}}}]}}"#)
    };
    let typed = format!(r#","mediaType":"{OCI_MANIFEST}""#);
    let indexes = [child(""), child(&format!(r#"{typed},"platform":{{"os":"linux"}}"#))];
    for text in &indexes {
        assert!(serde_json::from_str::<oci::ImageIndex>(text).is_err(), "{text}");
        index_of(text);
    }
    let rootfs = r#""rootfs":{"type":"layers","diff_ids":[]}"#;
    let configurations = [
        format!(r#"{{"os":"linux",{rootfs}}}"#),
        format!(r#"{{"architecture":"amd64",{rootfs}}}"#),
        r#"{"architecture":"amd64","os":"linux"}"#.to_owned(),
        r#"{"architecture":"amd64","os":"linux","rootfs":{"diff_ids":[]}}"#.to_owned(),
        r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":null}}"#
            .to_owned(),
        format!(
            r#"{{"architecture":"amd64","os":"linux",{rootfs},
            "config":{{"ExposedPorts":{{"80/tcp":null}}}}}}"#
        ),
    ];
    for text in &configurations {
        assert!(serde_json::from_str::<oci::ImageConfiguration>(text).is_err(), "{text}");
        config_of(text);
    }
    let big_endian: oci::Arch = serde_json::from_str("\"armbe\"").unwrap();
    assert_eq!(big_endian.to_string(), "arm64be", "read wrongly, so platforms are read by us");
}
