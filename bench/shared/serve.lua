-- One row for the large perceptron, in the protocol's binary form, for wrk.
local rows = string.rep("\0\0\128\62", 784)
local json = '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,784],"parameters":{"binary_data_size":3136}}],"parameters":{"binary_data_output":true}}'
wrk.method = "POST"
wrk.body = json .. rows
wrk.headers["Content-Type"] = "application/octet-stream"
wrk.headers["Inference-Header-Content-Length"] = tostring(#json)
