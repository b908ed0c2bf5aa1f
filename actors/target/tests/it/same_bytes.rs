//! One image, one SBOM: from every source, with any number of threads, from the cache.

use crate::fixture::{
    MemoryCache, Store, layers, options, package_names, registry_source, run, sbom_bytes,
};
use kedge_artifact::digest::Digest;
use kedge_registry::{Access, Client, Options};
use kedge_target::{
    DockerArchiveSource, NoCache, OciArchiveSource, OciLayoutSource, Progress, TargetSpec, analyze,
    open, quiet,
};
use std::sync::{Arc, Mutex};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registry_layout_and_archive_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::default();
    let image = store.image(&layers(), "amd64");
    let index = store.index(&[image.json_for("linux", "amd64")]);
    let (host, _) = store.serve(&index).await;
    let from_registry = run(registry_source(&host)).await.unwrap();
    assert_eq!(package_names(&from_registry), ["example-tool", "zlib1g"]);
    assert_eq!(from_registry.manifest.as_ref().unwrap().digest, image.digest);
    assert_eq!(from_registry.index, Some(index.digest));
    assert!(from_registry.compressed_bytes > 0 && from_registry.uncompressed_bytes > 900_000);
    let expect = sbom_bytes(&from_registry);

    let layout = store.layout(&folder.path().join("layout"), &[index.json()]);
    let from_layout = run(OciLayoutSource::new(layout, None)).await.unwrap();
    assert_eq!(sbom_bytes(&from_layout), expect);
    assert_eq!(from_layout.analysis.files, from_registry.analysis.files);
    assert_eq!(from_layout.index, Some(index.digest));

    let archive = store.archive(&folder.path().join("oci.tar"), &[image.json()]);
    let from_archive =
        run(OciArchiveSource::open(archive.clone(), None).await.unwrap()).await.unwrap();
    assert_eq!(sbom_bytes(&from_archive), expect);

    // As a person names them.
    let client = Client::new(Options::default()).unwrap();
    for text in [format!("{host}/team/app:v1"), archive.display().to_string()] {
        let spec = TargetSpec::parse(&text).unwrap();
        let source = open(spec, &client, |reference| Access::explicit(&reference.registry));
        let source = source.await.unwrap();
        let named = analyze(source, Arc::new(NoCache), options(2), quiet()).await.unwrap();
        assert_eq!(sbom_bytes(&named), expect, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_number_of_threads_does_not_show() {
    let mut store = Store::default();
    let image = store.image(&layers(), "amd64");
    let folder = tempfile::tempdir().unwrap();
    let path = store.layout(folder.path(), &[image.json()]);
    let mut seen = Vec::new();
    for permits in [1, 2, 3, 8] {
        let source = Arc::new(OciLayoutSource::new(path.clone(), None));
        let analysis = analyze(source, Arc::new(NoCache), options(permits), quiet()).await.unwrap();
        seen.push(sbom_bytes(&analysis));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn a_docker_archive_gives_the_same_packages() {
    let tars = layers();
    let config = Store::config(&tars, "amd64");
    let id = Digest::of(config.as_bytes());
    let manifest = format!(
        r#"[{{"Config":"{}.json","RepoTags":["team/app:v1"],"Layers":["a/layer.tar","b/layer.tar"]}}]"#,
        id.hex()
    );
    let name = format!("{}.json", id.hex());
    let bytes = crate::fixture::tar(&[
        ("a/layer.tar", &tars[0]),
        ("b/layer.tar", &tars[1]),
        (&name, config.as_bytes()),
        ("manifest.json", manifest.as_bytes()),
    ]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let path = file.path().to_owned();
    let from_docker =
        run(DockerArchiveSource::open(path.clone(), None).await.unwrap()).await.unwrap();
    assert_eq!(from_docker.config.as_ref().unwrap().digest, id);
    assert!(from_docker.manifest.is_none());
    let target = &from_docker.analysis.sbom.target;
    assert_eq!(target.layers[0].diff_id, Digest::of(&tars[0]));
    assert_eq!(target.layers[0].blob, None);
    let mut store = Store::default();
    let image = store.image(&tars, "amd64");
    let from_layout = crate::fixture::run_layout(&store, &image).await.unwrap();
    assert_eq!(from_docker.analysis.sbom.packages, from_layout.analysis.sbom.packages);
    // By tag, and a tag that is not there.
    let named = DockerArchiveSource::open(path.clone(), Some("team/app:v1".into())).await.unwrap();
    run(named).await.unwrap();
    let error = run(DockerArchiveSource::open(path, Some("v2".into())).await.unwrap()).await;
    let error = error.unwrap_err();
    assert_eq!(error.code(), "image_not_found");
    assert!(error.to_string().contains("team/app:v1"));
}

#[tokio::test]
async fn known_layers_are_not_read_again() {
    let mut store = Store::default();
    let image = store.image(&layers(), "amd64");
    let (host, log) = store.serve(&image).await;
    let cache = Arc::new(MemoryCache::default());
    let first = analyze(Arc::new(registry_source(&host)), cache.clone(), options(2), quiet());
    let first = first.await.unwrap();
    assert_eq!((first.layers_cached, cache.0.lock().unwrap().len()), (0, 2));
    let blobs = || log.lock().unwrap().iter().filter(|path| path.contains("/blobs/")).count();
    assert_eq!(blobs(), 3);
    let second = analyze(Arc::new(registry_source(&host)), cache.clone(), options(2), quiet());
    let second = second.await.unwrap();
    assert_eq!(second.layers_cached, 2);
    // Only the configuration.
    assert_eq!(blobs(), 4);
    assert_eq!(sbom_bytes(&first), sbom_bytes(&second));
    // Facts of another layer under this one's key are not believed.
    {
        let mut kept = cache.0.lock().unwrap();
        let wrong = kept.values().next().unwrap().clone();
        kept.values_mut().for_each(|facts| *facts = wrong.clone());
    }
    let third = analyze(Arc::new(registry_source(&host)), cache, options(2), quiet());
    assert_eq!(sbom_bytes(&third.await.unwrap()), sbom_bytes(&first));
}

#[tokio::test]
async fn equal_layers_are_read_once() {
    let base = layers().remove(0);
    let mut store = Store::default();
    let config = Store::config(&vec![base.clone(); 50], "amd64");
    let config = store.put(config.as_bytes(), "application/vnd.oci.image.config.v1+json");
    let media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
    let layer = store.put(&crate::fixture::gzip(&base), media_type).json();
    let image = store.manifest(&config, &vec![layer; 50]);
    let (host, log) = store.serve(&image).await;
    let analysis = run(registry_source(&host)).await.unwrap();
    assert_eq!(analysis.analysis.sbom.target.layers.len(), 50);
    let blobs = log.lock().unwrap().iter().filter(|path| path.contains("/blobs/")).count();
    assert_eq!(blobs, 2);
}

#[tokio::test]
async fn progress_tells_each_layer() {
    let mut store = Store::default();
    let image = store.image(&layers(), "amd64");
    let folder = tempfile::tempdir().unwrap();
    let path = store.layout(folder.path(), &[image.json()]);
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = told.clone();
    let sink = Arc::new(move |step| log.lock().unwrap().push(step));
    let source = Arc::new(OciLayoutSource::new(path, None));
    analyze(source, Arc::new(NoCache), options(1), sink).await.unwrap();
    let told = told.lock().unwrap();
    assert!(matches!(told.first(), Some(Progress::Resolved { layers: 2, .. })));
    assert_eq!(told.last(), Some(&Progress::Squashing));
    // The longest first.
    let done: Vec<&Progress> =
        told.iter().filter(|step| matches!(step, Progress::LayerDone { .. })).collect();
    assert_eq!(done, [&Progress::LayerDone { index: 0 }, &Progress::LayerDone { index: 1 }]);
}

#[tokio::test]
async fn an_image_without_layers_is_an_image() {
    let mut store = Store::default();
    let image = store.image(&[], "amd64");
    let analysis = crate::fixture::run_layout(&store, &image).await.unwrap();
    assert!(analysis.analysis.sbom.packages.is_empty());
    // A layer of no bytes at all.
    let image = store.image(&[Vec::new()], "amd64");
    let analysis = crate::fixture::run_layout(&store, &image).await.unwrap();
    assert!(analysis.analysis.sbom.packages.is_empty());
}
