"""What deflate may suppose to have read before a directory: words that directories hold, the likeliest last.

Part of the format: another text is another version. What is not in here costs a few bytes and nothing else.
"""

from __future__ import annotations

_METHODS = """
fast.winograd fast.fft struct.circulant struct.toeplitz struct.hashed compact.mobilenet_v1 compact.ghost
lowrank.tsvd","knobs":{"choose":"rank_share","rank_share":0.25,"energy":0.9,"convolution":"kernel_first"
lowrank.tucker2 lowrank.cp":rank":decompose:power":tolerance":
quant.bwn quant.twn quant.dorefa quant.dfp quant.int8_linear","knobs":{"bits":8,"scheme":"symmetric","granularity":
"channel","tensor","percentile":100.0,"asymmetric","first_last":"skip":"activation_bits":activations":
prune.apoz prune.fpgm prune.hrank prune.neuron_datafree","knobs":{"images":256,"rule":"ratio","deviations":1.0,
prune.l1_filter","knobs":{"norm":"l1","l2","selection":"independent","greedy","distance":"l2","form":"gate",
prune.taylor2019 prune.granularity_masks","knobs":{"granularity":"weight","filter","kernel","criterion":"magnitude",
"taylor","random","scope":"network","layer","schedule":"gradual","one_shot","iterative","cubic","batch":32,
combo.deep_compression","knobs":{"conv_ratio":0.6,"linear_ratio":0.9,"conv_bits":8,"linear_bits":5,
kd.hinton","knobs":{"student":"recover","width":0.5,"temperature":4.0,"weight":0.7,"epochs":
recover.batchnorm","knobs":{"images":256},recover.finetune","knobs":{"epochs":"teacher":"warmup":"decay":
quant.fixed","knobs":{"bits":8,"biases":true,"tensors":"biases":false,"epochs":0,
"bits":3,"init":"density","random","linear","epochs":2,"learning_rate":0.0003},"layers":null,"per_layer":{}},
{"method":"quant.kmeans_share","knobs":{"bits":5,"init":"linear","epochs":0,"learning_rate":0.001},
{"method":"prune.magnitude_iter","knobs":{"pruning_ratio":0.98,"scope":"global","rounds":6,"epochs":4,"learning_rate":
0.001},"layers":["features.0","classifier"],"per_layer":{}},{"method":"
"""
_TENSORS = """
","layer1.0.conv1.weight","layer1.0.bn1.weight","layer1.0.bn1.bias","layer1.0.bn1.running_mean","layer1.0.bn1.running_var
","layer2.0.shortcut.0.weight","layer3.1.downsample.1.running_var","layer4.block.5.depthwise.weight","pointwise.weight
","bn.weight","bn.bias","bn.running_mean","bn.running_var","stem.conv.0.weight","features.3.weight","features.0.bias
","classifier.6.weight","classifier.bias","head.weight","fc.weight","fc.bias","first.weight","second.weight
","conv3.weight","conv3.bias","conv4.weight
"""
_FRAME = """
{"header":{"network":"resnet56","mobilenet_v2","mobilenet_v1","squeezenet","shufflenet_v2","densenet_small","alexnet
","vgg16","vgg_small","resnet20","dataset":"imagenet","fashion_mnist","cifar100","cifar10","input_shape":[3,224,224],
"input_shape":[3,32,32],"classes":100,"structure":{"kind":"chain","factorised","rank":
{"header":{"network":"lenet_300_100","dataset":"digits","input_shape":[1,8,8],"classes":10,
{"header":{"network":"lenet5_1998","lenet5","dataset":"mnist","input_shape":[1,28,28],"classes":10,"structure":{},
"recipe":{"network":"lenet5_1998","lenet_300_100","lenet5","dataset":"mnist","steps":[
"learning_rate":0.001},"layers":null,"per_layer":{}}],"seed":0}},"tensors":["
conv1.weight","conv1.bias","conv2.weight","conv2.bias","fc1.weight","fc1.bias","fc2.weight","fc2.bias","fc3.weight
","fc3.bias"]}
"""
DICTIONARY = "".join(line for part in (_METHODS, _TENSORS, _FRAME) for line in part.strip().splitlines()).encode()
