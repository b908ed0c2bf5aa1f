//! A local analysis and the node's give the same SBOM, byte for byte.

use kedge_target::{AnalyzeOptions, NoCache, TargetSpec};
use kedge_testkit::image::{Image, debian};
use kedge_testkit::node::TestNode;
use kedge_testkit::registry::FakeRegistry;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

/// Writes an OCI image layout (OCI image-spec, `image-layout.md`).
fn write_layout(dir: &Path, image: &Image) {
    let blobs = dir.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    std::fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    for blob in image.blobs.iter().chain([&image.manifest]) {
        let name = blob.digest.strip_prefix("sha256:").unwrap();
        std::fs::write(blobs.join(name), &blob.bytes).unwrap();
    }
    let index = json!({"schemaVersion": 2, "manifests": [{
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": image.manifest.digest,
        "size": image.manifest.bytes.len(),
    }]});
    std::fs::write(dir.join("index.json"), index.to_string()).unwrap();
}

#[tokio::test]
async fn a_local_analysis_and_the_node_s_give_the_same_sbom_bytes() {
    let node = TestNode::start().await;
    let registry = FakeRegistry::open().await;
    node.admin.post("/v2/registries", &json!({"registry": registry.host()})).await;
    let image = debian();
    let analysed = node.analyse(&registry.push("a", "1", &image)).await;
    let digest = analysed["image_digest"].as_str().unwrap();
    let of_node = node.admin.get(&format!("/v2/images/{digest}/sboms/native-json")).await.text;

    let layout = node.path("layout");
    write_layout(&layout, &image);
    let spec = TargetSpec::parse(&format!("oci-dir:{}", layout.display())).unwrap();
    let client = kedge_registry::Client::new(kedge_registry::Options::default()).unwrap();
    let access = |reference: &kedge_artifact::reference::Reference| {
        kedge_registry::Access::anonymous(reference.registry.clone())
    };
    let source = kedge_target::open(spec, &client, access).await.unwrap();
    let options = AnalyzeOptions::default();
    let local = kedge_target::analyze(source, Arc::new(NoCache), options, kedge_target::quiet())
        .await
        .unwrap();
    let local = kedge_analyzer::sbom::native::to_bytes(&local.analysis.sbom);
    assert_eq!(String::from_utf8(local).unwrap(), of_node);
}
