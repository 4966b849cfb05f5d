"""What makes data sets: converters of other projects' annotations, made-up data, the writer."""
