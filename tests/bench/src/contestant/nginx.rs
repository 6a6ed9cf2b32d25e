//! nginx, set up as people set it up for streams, and with connections kept on both sides.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

pub(super) fn prepare(
    addr: SocketAddr,
    back_ends: [SocketAddr; 2],
    directory: &Path,
) -> anyhow::Result<Command> {
    let file = directory.join("nginx.conf");
    std::fs::write(&file, config(addr, back_ends, directory))?;
    let mut command = Command::new("nginx");
    command
        .arg("-e")
        .arg("stderr")
        .arg("-p")
        .arg(directory)
        .arg("-c")
        .arg(&file);
    Ok(command)
}

/// Its defaults of 1000 requests for each connection are raised on both sides, so that it does not reconnect more
/// often than the others.
fn config(addr: SocketAddr, [a, b]: [SocketAddr; 2], directory: &Path) -> String {
    let directory = directory.display();
    format!(
        r"daemon off;
worker_processes 2;
pid {directory}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    keepalive_requests 1000000000;
    upstream back_ends {{
        least_conn;
        server {a};
        server {b};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {addr};
        location / {{
            proxy_pass http://back_ends;
            proxy_http_version 1.1;
            proxy_set_header Connection '';
            proxy_buffering off;
        }}
    }}
}}
"
    )
}
