//! Which image of an index.

use crate::fixture::{Store, layers, options, package_names, registry_source, run, run_layout};
use kedge_target::{
    AnalyzeOptions, NoCache, OciLayoutSource, TargetAnalysis, TargetError, analyze, quiet,
};
use std::sync::Arc;

async fn for_platform(host: &str, platform: &str) -> Result<TargetAnalysis, TargetError> {
    let platform = Some(platform.parse().unwrap());
    let options = AnalyzeOptions { platform, ..options(2) };
    analyze(Arc::new(registry_source(host)), Arc::new(NoCache), options, quiet()).await
}

#[tokio::test]
async fn the_platform_asked_for_is_taken() {
    let mut store = Store::default();
    let tars = layers();
    let amd64 = store.image(&tars, "amd64");
    let arm64 = store.image(&tars[1..], "arm64");
    let attestation = store.put(b"{}", crate::fixture::OCI_MANIFEST);
    let index = store.index(&[
        attestation.json_for("unknown", "unknown"),
        arm64.json_for("linux", "arm64"),
        amd64.json_for("linux", "amd64"),
    ]);
    let (host, _) = store.serve(&index).await;
    let default = run(registry_source(&host)).await.unwrap();
    assert_eq!(default.manifest.unwrap().digest, amd64.digest);
    let arm = for_platform(&host, "linux/arm64").await.unwrap();
    assert_eq!(arm.manifest.as_ref().unwrap().digest, arm64.digest);
    assert_eq!(arm.analysis.sbom.target.platform.as_ref().unwrap().to_string(), "linux/arm64");
    assert_eq!(package_names(&arm), ["example-tool"]);
    let error = for_platform(&host, "linux/s390x").await.unwrap_err();
    assert_eq!(error.code(), "platform_not_found");
    let text = error.to_string();
    assert!(text.contains("linux/s390x") && text.contains("linux/amd64, linux/arm64"), "{text}");
}

#[tokio::test]
async fn a_lone_image_is_taken_unless_another_platform_is_asked_for() {
    let mut store = Store::default();
    let arm64 = store.image(&layers(), "arm64");
    let (host, _) = store.serve(&arm64).await;
    run(registry_source(&host)).await.unwrap();
    let error = for_platform(&host, "linux/amd64").await.unwrap_err();
    assert_eq!(error.code(), "platform_not_found");
    assert!(error.to_string().contains("linux/arm64"));
    let index = store.index(&[arm64.json_for("linux", "arm64")]);
    let (host, _) = store.serve(&index).await;
    assert_eq!(run(registry_source(&host)).await.unwrap().manifest.unwrap().digest, arm64.digest);
}

#[tokio::test]
async fn nested_indexes_end() {
    let mut store = Store::default();
    let mut root = store.image(&layers(), "amd64");
    root = store.index(&[root.json()]);
    root = store.index(&[root.json()]);
    run_layout(&store, &root).await.unwrap();
    for _ in 0..10 {
        root = store.index(&[root.json()]);
    }
    let error = run_layout(&store, &root).await.unwrap_err();
    assert_eq!(error.code(), "limit_exceeded");
    assert!(error.to_string().contains("INDEX_DEPTH_MAX"));
}

#[tokio::test]
async fn a_layout_with_several_images_wants_a_name() {
    let mut store = Store::default();
    let tars = layers();
    let (one, two) = (store.image(&tars, "amd64"), store.image(&tars[1..], "amd64"));
    let named = |json: String, name: &str| {
        let open = json.trim_end_matches('}');
        format!(r#"{open},"annotations":{{"org.opencontainers.image.ref.name":"{name}"}}}}"#)
    };
    let folder = tempfile::tempdir().unwrap();
    let roots = [named(one.json(), "v1"), named(two.json(), "team/app:v2")];
    let path = store.layout(folder.path(), &roots);
    let of = |name: Option<&str>| OciLayoutSource::new(path.clone(), name.map(str::to_owned));
    let error = run(of(None)).await.unwrap_err();
    assert_eq!(error.code(), "target_ambiguous");
    assert!(error.to_string().contains("v1, team/app:v2"));
    assert_eq!(run(of(Some("v1"))).await.unwrap().manifest.unwrap().digest, one.digest);
    assert_eq!(run(of(Some("v2"))).await.unwrap().manifest.unwrap().digest, two.digest);
    assert_eq!(run(of(Some("v3"))).await.unwrap_err().code(), "image_not_found");
}
