//! Images and archives that lie.

use crate::fixture::{
    MemoryCache, OCI_MANIFEST, Put, Store, gzip, layers, options, registry_source, run, run_layout,
};
use kedge_analyzer::image::budget::Budget;
use kedge_analyzer::image::layer::LayerFacts;
use kedge_artifact::digest::Digest;
use kedge_target::{
    DirectorySource, DockerArchiveSource, NoCache, OciLayoutSource, TargetError, analyze, quiet,
};
use std::sync::Arc;

const GZIP_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

async fn code_of(store: &Store, root: &Put) -> String {
    // From a registry and from a layout the verdict is the same.
    let (host, _) = store.serve(root).await;
    let from_registry = run(registry_source(&host)).await.unwrap_err();
    let from_layout = run_layout(store, root).await.unwrap_err();
    assert_eq!(from_registry.code(), from_layout.code(), "{from_registry} / {from_layout}");
    assert!(!from_layout.is_transient());
    from_layout.code().to_owned()
}

/// An image of one layer whose blob and diff id can be chosen.
fn image(store: &mut Store, blob: &[u8], diff_id: Digest, media_type: &str) -> Put {
    let config =
        format!(r#"{{"os":"linux","architecture":"amd64","rootfs":{{"diff_ids":["{diff_id}"]}}}}"#);
    let config = store.put(config.as_bytes(), CONFIG);
    let layer = store.put(blob, media_type);
    store.manifest(&config, &[layer.json()])
}

#[tokio::test]
async fn lying_layers_are_refused() {
    let tar = layers().remove(0);
    let right = Digest::of(&tar);
    let mut store = Store::default();
    let wrong = image(&mut store, &gzip(&tar), Digest::of(b"other"), GZIP_LAYER);
    assert_eq!(code_of(&store, &wrong).await, "diff_id_mismatch");
    let blob = gzip(&tar);
    let cut = image(&mut store, &blob[..blob.len() / 2], right, GZIP_LAYER);
    assert_eq!(code_of(&store, &cut).await, "layer_truncated");
    let xz = [&[0xfd, b'7', b'z', b'X', b'Z', 0][..], &[0; 100]].concat();
    let xz = image(&mut store, &xz, right, GZIP_LAYER);
    assert_eq!(code_of(&store, &xz).await, "layer_unsupported");
    let encrypted = image(&mut store, &blob, right, &format!("{GZIP_LAYER}+encrypted"));
    assert_eq!(code_of(&store, &encrypted).await, "layer_unsupported");
    let noise = vec![7; 100_000];
    let noise = image(&mut store, &gzip(&noise), Digest::of(&noise), GZIP_LAYER);
    assert_eq!(code_of(&store, &noise).await, "layer_malformed");
}

#[tokio::test]
async fn other_bytes_than_the_manifest_names_are_refused() {
    let mut store = Store::default();
    let root = store.image(&layers(), "amd64");
    let largest = store.blobs.iter().max_by_key(|(_, bytes)| bytes.len()).unwrap();
    let (digest, mut bytes) = (*largest.0, largest.1.clone());
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    store.blobs.insert(digest, bytes.clone());
    assert_eq!(code_of(&store, &root).await, "digest_mismatch");
    // Longer than its descriptor: a registry's length header says so at once.
    bytes.push(0);
    store.blobs.insert(digest, bytes);
    assert_eq!(code_of(&store, &root).await, "size_mismatch");
    // Not there at all.
    store.blobs.remove(&digest);
    let error = run_layout(&store, &root).await.unwrap_err();
    assert_eq!(error.code(), "target_unreadable");
    assert!(error.to_string().contains(&digest.hex()));
    let (host, _) = store.serve(&root).await;
    assert_eq!(run(registry_source(&host)).await.unwrap_err().code(), "image_not_found");
}

#[tokio::test]
async fn documents_that_are_no_image_are_named() {
    let mut store = Store::default();
    let tars = layers();
    let config = Store::config(&tars[1..], "amd64");
    let uneven = store.image_with(&tars, &config);
    assert_eq!(code_of(&store, &uneven).await, "manifest_malformed");
    let empty = store.put(b"{}", "application/vnd.oci.empty.v1+json");
    let artifact = store.manifest(&empty, &[]);
    assert_eq!(code_of(&store, &artifact).await, "not_an_image");
    let no_config = store.put(b"nonsense", CONFIG);
    let bad = store.manifest(&no_config, &[]);
    assert_eq!(code_of(&store, &bad).await, "manifest_malformed");
    let schema1 = store.put(br#"{"schemaVersion":1,"fsLayers":[]}"#, OCI_MANIFEST);
    assert_eq!(code_of(&store, &schema1).await, "manifest_unsupported");
}

#[tokio::test]
async fn a_foreign_layer_is_not_fetched_from_its_address() {
    let tar = layers().remove(0);
    let mut store = Store::default();
    let config = store.put(Store::config(std::slice::from_ref(&tar), "amd64").as_bytes(), CONFIG);
    let blob = store.put(&gzip(&tar), GZIP_LAYER);
    let mut elsewhere = Store::default();
    let served = elsewhere.put(&gzip(&tar), GZIP_LAYER);
    let (host, log) = elsewhere.serve(&served).await;
    let layer = blob.json();
    let open = layer.trim_end_matches('}');
    let foreign = format!(r#"{open},"urls":["http://{host}/v2/x/blobs/{}"]}}"#, blob.digest);
    let root = store.manifest(&config, &[foreign]);
    store.blobs.remove(&blob.digest);
    let (registry, _) = store.serve(&root).await;
    assert_eq!(run(registry_source(&registry)).await.unwrap_err().code(), "image_not_found");
    assert!(log.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_docker_archive_does_not_lead_outside() {
    let config = Store::config(&[], "amd64");
    for manifest in [
        r#"[{"Config":"../../../etc/passwd","Layers":[]}]"#,
        r#"[{"Config":"/etc/passwd","Layers":[]}]"#,
    ] {
        let error = run_docker(&[("manifest.json", manifest.as_bytes())]).await;
        assert_eq!(error, "archive_traversal", "{manifest}");
    }
    let tars = layers();
    let config_of_one = Store::config(&tars[..1], "amd64");
    let manifest = br#"[{"Config":"c.json","Layers":["../../etc/shadow"]}]"#;
    let files: [(&str, &[u8]); 2] =
        [("c.json", config_of_one.as_bytes()), ("manifest.json", manifest)];
    assert_eq!(run_docker(&files).await, "archive_traversal");
    let two = br#"[{"Config":"c.json"},{"Config":"c.json"}]"#;
    let files: [(&str, &[u8]); 2] = [("c.json", config.as_bytes()), ("manifest.json", two)];
    assert_eq!(run_docker(&files).await, "target_ambiguous");
    assert_eq!(run_docker(&[("manifest.json", b"[]")]).await, "target_malformed");
    assert_eq!(run_docker(&[("manifest.json", b"{")]).await, "target_malformed");
    assert_eq!(run_docker(&[("other", b"")]).await, "target_malformed");
}

async fn run_docker(files: &[(&str, &[u8])]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), crate::fixture::tar(files)).unwrap();
    let source = DockerArchiveSource::open(file.path().to_owned(), None).await.unwrap();
    run(source).await.unwrap_err().code().to_owned()
}

#[tokio::test]
async fn a_broken_layout_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let source = || OciLayoutSource::new(folder.path().to_owned(), None);
    let error = run(source()).await.unwrap_err();
    assert_eq!(error.code(), "target_unreadable");
    assert!(error.to_string().contains("index.json"));
    for bad in ["", "{", r#"{"manifests":[]}"#, r#"{"manifests":[{"digest":"md5:0"}]}"#] {
        std::fs::write(folder.path().join("index.json"), bad).unwrap();
        assert_eq!(run(source()).await.unwrap_err().code(), "target_malformed", "{bad}");
    }
    // A document of another digest than its name.
    let mut store = Store::default();
    let root = store.image(&layers(), "amd64");
    store.layout(folder.path(), &[root.json()]);
    let blob = folder.path().join("blobs/sha256").join(root.digest.hex());
    std::fs::write(blob, "{}").unwrap();
    assert_eq!(run(source()).await.unwrap_err().code(), "digest_mismatch");
}

#[tokio::test]
async fn one_analysis_holds_no_more_than_its_budget() {
    let tars = layers();
    let mut store = Store::default();
    let root = store.image(&tars, "amd64");
    let folder = tempfile::tempdir().unwrap();
    let path = store.layout(folder.path(), &[root.json()]);
    let cache = Arc::new(MemoryCache::default());
    let run = async |max: u64| {
        let mut options = options(2);
        options.limits.held = Budget::new(max);
        let source = Arc::new(OciLayoutSource::new(path.clone(), None));
        analyze(source, cache.clone(), options, quiet()).await
    };
    run(1 << 20).await.unwrap();
    // Enough for each of the two layers, and not for both.
    let enough = |facts: &LayerFacts| {
        (0..).step_by(16).find(|max| Budget::new(*max).hold_facts(facts).is_ok()).unwrap()
    };
    let needs: Vec<u64> = cache.0.lock().unwrap().values().map(enough).collect();
    assert_eq!(needs.len(), 2);
    let max = needs.iter().sum::<u64>() - 32;
    assert!(needs.iter().all(|need| (1..max).contains(need)), "{needs:?}");
    let check = |error: TargetError| {
        assert_eq!((error.code(), error.is_transient()), ("limit_exceeded", false));
        assert!(error.to_string().contains(&format!("HELD_BYTES_MAX of {max}")), "{error}");
    };
    // What comes out of the cache counts as what is read; the analysis before used up nothing.
    check(run(max).await.unwrap_err());
    cache.0.lock().unwrap().clear();
    check(run(max).await.unwrap_err());
    assert!(run(1 << 20).await.is_ok());
}

#[tokio::test]
async fn a_directory_is_read_within_the_budget() {
    let folder = tempfile::tempdir().unwrap();
    for index in 0..20 {
        std::fs::write(folder.path().join(format!("{index}")), b"").unwrap();
    }
    let mut options = options(1);
    options.limits.held = Budget::new(3000);
    let source = Arc::new(DirectorySource::new(folder.path().to_owned()));
    let error = analyze(source, Arc::new(NoCache), options, quiet()).await.unwrap_err();
    assert_eq!(error.code(), "limit_exceeded");
}

#[tokio::test]
async fn a_second_descriptor_of_a_layer_may_not_lie_about_its_size() {
    let tar = layers().remove(0);
    let mut store = Store::default();
    let both = [tar.clone(), tar.clone()];
    let config = store.put(Store::config(&both, "amd64").as_bytes(), CONFIG);
    let layer = store.put(&gzip(&tar), GZIP_LAYER);
    let mut other = layer.clone();
    other.size += 1;
    let root = store.manifest(&config, &[layer.json(), other.json()]);
    assert_eq!(run_layout(&store, &root).await.unwrap_err().code(), "size_mismatch");
    let root = store.manifest(&config, &[layer.json(), layer.json()]);
    let analysis = run_layout(&store, &root).await.unwrap();
    assert_eq!(analysis.analysis.sbom.target.layers.len(), 2);
}
